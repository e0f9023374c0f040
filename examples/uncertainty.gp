# Three ways to say how sure a fit is: gnuplot -c uncertainty.gp FOLDER draws FOLDER/uncertainty.svg from posterior.csv,
# profile.csv and ellipse.csv in it, which 13_posterior writes.
samples = ARG1 . '/posterior.csv'
profile = ARG1 . '/profile.csv'
ellipse = ARG1 . '/ellipse.csv'

set encoding utf8
set terminal svg size 900,400 font 'sans-serif,14' background rgb 'white'
set output ARG1 . '/uncertainty.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444' linewidth 1.2
set tics nomirror out scale 0.6
set key noenhanced samplen 1.6 spacing 1.15

stats profile using 1 every ::1 nooutput
low = STATS_min
high = STATS_max

set multiplot layout 1,2 margins 0.1,0.985,0.15,0.96 spacing 0.1,0
set xlabel 'β' offset 0,0.4
set ylabel 'γ' offset 0.4,0
set xtics 0.1
set ytics 0.1
set key top left reverse Left
set offsets graph 0, 0, 0.2, 0
plot samples using 3:4 every ::1 with points pointtype 7 pointsize 0.22 linecolor rgb '#901f3b63' title '', \
     NaN with points pointtype 7 pointsize 0.5 linecolor rgb '#1f3b63' title 'samples of the posterior', \
     ellipse using 1:2 every ::1 with lines linewidth 2.4 linecolor rgb '#c8442c' title 'ellipse of the covariance'

set xlabel 'γ' offset 0,0.4
set ylabel 'loss above its minimum' offset 0.8,0
set xtics 0.1
set xrange [low:high]
set yrange [0:2.5]
set ytics 0.5
set key top center
unset offsets
set arrow from low,0.5 to high,0.5 nohead dashtype 3 linewidth 1.4 linecolor rgb '#444444'
set label 'errordef' at high,0.5 right offset 0,0.6 textcolor rgb '#444444'
plot profile using 1:3 every ::1 smooth csplines with lines linewidth 2 dashtype 2 linecolor rgb '#c8442c' title 'parabola (covariance)', \
     profile using 1:2 every ::1 smooth csplines with lines linewidth 2.4 linecolor rgb '#1f3b63' title 'profile'
unset multiplot
