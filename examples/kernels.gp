# How well pairs of parameters are known: ellipses of one standard error: gnuplot -c kernels.gp FOLDER draws FOLDER/kernels.svg from
# FOLDER/kernels.csv.
csv = ARG1 . '/kernels.csv'

set encoding utf8
set terminal svg size 900,440 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/kernels.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set style line 1 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
unset key
set multiplot layout 1,2
set xtics 0.05
set xlabel 'shift of x'
set ylabel 'shift of y'
plot csv using 1:2 every ::1 with lines linestyle 2, \
     '+' using (0.1):(-0.1) every ::::0 with points pointtype 2 pointsize 1.4 linewidth 2.5 linecolor rgb 'black'
set xtics 0.02
set xlabel 'stretch of y'
set ylabel 'shear'
plot csv using 3:4 every ::1 with lines linestyle 2, \
     '+' using (1.1):(0.4) every ::::0 with points pointtype 2 pointsize 1.4 linewidth 2.5 linecolor rgb 'black'
unset multiplot
