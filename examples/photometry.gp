# Counts of galaxies by magnitude in three bands, and their fit: gnuplot -c photometry.gp FOLDER draws FOLDER/photometry.svg from
# FOLDER/photometry.csv.
csv = ARG1 . '/photometry.csv'

set encoding utf8
set terminal svg size 700,480 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/photometry.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set style line 1 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
set style line 3 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#2f8f5b'
set style line 4 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#c8442c'
set key top left reverse Left spacing 1.3 samplen 2.5
set xlabel 'magnitude'
set ylabel 'galaxies'
set yrange [0:]
plot for [band = 0:2] csv using 1:($2 == band ? $5 : NaN) every ::(1 + 6 * band)::(6 + 6 * band) with lines \
         linestyle (band == 0 ? 1 : band + 2) title sprintf('band %d, fit', band + 1), \
     for [band = 0:2] csv using 1:($2 == band ? $3 : NaN):4 every ::(1 + 6 * band)::(6 + 6 * band) with yerrorbars \
         linestyle (band == 0 ? 1 : band + 2) title sprintf('band %d, observed', band + 1)
