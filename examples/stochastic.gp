# The path of Adam with new random keys and with one: gnuplot -c stochastic.gp FOLDER draws FOLDER/stochastic.svg from
# FOLDER/stochastic.csv.
csv = ARG1 . '/stochastic.csv'

set encoding utf8
set terminal svg size 1000,440 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/stochastic.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set key top right spacing 1.3 samplen 2.5
set style line 1 linewidth 1.5 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
set style line 3 linewidth 1.5 dashtype (8, 6) linecolor rgb 'black'

set multiplot layout 1,2
set xlabel 'step'
set xtics 100
set ylabel 'log_{10} (stellar mass / halo mass)'
plot csv using 1:2 every ::1 with lines linestyle 1 title 'a new key each step', \
     '' using 1:4 every ::1 with lines linestyle 2 title 'one key', \
     -2.0 with lines linestyle 3 title 'truth'

set ylabel 'log_{10} (scatter / dex)'
plot csv using 1:3 every ::1 with lines linestyle 1 title 'a new key each step', \
     '' using 1:5 every ::1 with lines linestyle 2 title 'one key', \
     -0.7 with lines linestyle 3 title 'truth'
unset multiplot
