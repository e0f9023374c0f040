# Loss and path of two ways of descent: gnuplot -c smf_fit.gp FOLDER draws FOLDER/smf_fit.svg from FOLDER/smf_fit.csv.
csv = ARG1 . '/smf_fit.csv'

set encoding utf8
set terminal svg size 1000,440 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/smf_fit.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set key top right spacing 1.3 samplen 2.5
set style line 1 linewidth 2.5 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'

set multiplot layout 1,2
set xlabel 'step'
set xtics 20
set ylabel 'loss'
set logscale y
set format y '10^{%L}'
plot csv using 1:2 every ::1 with lines linestyle 1 title 'gradient descent', \
     '' using 1:5 every ::1 with lines linestyle 2 title 'Adam'

set xlabel 'log_{10} (stellar mass / halo mass)'
set ylabel 'log_{10} (scatter / dex)'
unset logscale y
set format y '%g'
set key bottom right
set xtics 0.1
set xrange [-2.05:-1.55]
set yrange [-0.9:-0.45]
plot csv using 3:4 every ::1 with linespoints linestyle 1 pointtype 7 pointsize 0.3 notitle, \
     '' using 6:7 every ::1 with linespoints linestyle 2 pointtype 7 pointsize 0.3 notitle, \
     '+' using (-2.0):(-0.7) every ::::0 with points pointtype 2 pointsize 1.4 linewidth 2.5 linecolor rgb 'black' \
         title 'truth'
unset multiplot
