# Mean numbers of galaxies in halos of a mass, as they were fitted, with their errors: gnuplot -c hod.gp FOLDER draws FOLDER/hod.svg from
# FOLDER/hod.csv.
csv = ARG1 . '/hod.csv'

set encoding utf8
set terminal svg size 700,480 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/hod.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set style line 1 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
set style line 3 linewidth 2.5 linecolor rgb '#2f8f5b'
set key top left reverse Left spacing 1.3 samplen 2.5
set style fill transparent solid 0.25 noborder
set xlabel 'log_{10} (halo mass / M_⊙)'
set ylabel 'galaxies in a halo'
set xrange [11.5:15]
set logscale y
set yrange [0.01:100]
set format y '10^{%L}'
low(mean, error) = mean > error ? mean - error : 1e-9
plot csv using 1:(low($2, $3)):($2 + $3) every ::1 with filledcurves linestyle 1 notitle, \
     '' using 1:2 every ::1 with lines linestyle 1 title 'central', \
     '' using 1:(low($4, $5)):($4 + $5) every ::1 with filledcurves linestyle 2 notitle, \
     '' using 1:4 every ::1 with lines linestyle 2 title 'satellites', \
     '' using 1:($2 + $4) every ::1 with lines linestyle 3 title 'all'
