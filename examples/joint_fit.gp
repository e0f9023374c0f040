# Two data sets and their joint fit: gnuplot -c joint_fit.gp FOLDER draws FOLDER/joint_fit.svg from
# FOLDER/joint_fit.csv.
csv = ARG1 . '/joint_fit.csv'

set encoding utf8
set terminal svg size 1000,440 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/joint_fit.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set key bottom left reverse Left spacing 1.3 samplen 2.5
set style line 1 pointtype 7 pointsize 0.7 linewidth 1.5 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
set xlabel 'log_{10} (stellar mass / M_⊙)'
set xrange [8.4:9.8]

set multiplot layout 1,2
set ylabel 'galaxies  (Mpc^{-3} dex^{-1})'
set logscale y
set format y '10^{%L}'
plot csv using 1:4 every ::1 with lines linestyle 2 title 'joint fit', \
     '' using 1:2:3 every ::1 with yerrorbars linestyle 1 title 'counts'

set ylabel 'log_{10} (mean halo mass / M_⊙)'
unset logscale y
set format y '%.1f'
set yrange [10.4:11.3]
set key top left
plot csv using 1:7 every ::1 with lines linestyle 2 title 'joint fit', \
     '' using 1:5:6 every ::1 with yerrorbars linestyle 1 title 'halo masses'
unset multiplot
