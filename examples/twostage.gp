# A distribution, and its tails beyond two standard deviations: gnuplot -c twostage.gp FOLDER draws FOLDER/twostage.svg from
# FOLDER/twostage.csv.
csv = ARG1 . '/twostage.csv'

set encoding utf8
set terminal svg size 700,480 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/twostage.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set style line 1 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
set key top right spacing 1.3 samplen 2.5
set style fill solid 0.25 noborder
set xlabel 'y'
set ylabel 'density'
set xrange [-4:6]
plot csv using 1:5 every ::1 with boxes linecolor rgb '#c8442c' title 'beyond two standard deviations', \
     '' using 1:2 every ::1 with lines linestyle 1 title 'guess', \
     '' using 1:3 every ::1 with lines linestyle 2 title 'fit'
