# Counts in two dimensions: observed, and how far guess and fit are from them in standard errors: gnuplot -c poisson.gp FOLDER draws FOLDER/poisson.svg from
# FOLDER/poisson.csv.
csv = ARG1 . '/poisson.csv'

set encoding utf8
set terminal svg size 1100,400 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/poisson.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set style line 1 pointtype 7 pointsize 0.7 linewidth 2 linecolor rgb '#1f3b63'
set style line 2 linewidth 2.5 linecolor rgb '#c8442c'
set xlabel 'x'
set ylabel 'y'
set xrange [-2:2]
set yrange [-1.5:1.5]
set xtics 1
set ytics 1
unset key
rounded(z) = abs(z) < 0.05 ? 0 : z
set multiplot layout 1,3
set palette defined (0 '#ffffff', 1 '#1f3b63')
set title 'observed counts'
plot csv using 1:2:3 every ::1 with image, \
     '' using 1:2:(sprintf('%.0f', $3)) every ::1 with labels textcolor rgb '#c8442c'
set palette defined (-1 '#1f3b63', 0 '#ffffff', 1 '#c8442c')
set cbrange [-20:20]
set title '(guess - observed) / error'
plot csv using 1:2:(($4 - $3) / sqrt($3)) every ::1 with image, \
     '' using 1:2:(sprintf('%.1f', rounded(($4 - $3) / sqrt($3)))) every ::1 with labels
set title '(fit - observed) / error'
plot csv using 1:2:(($5 - $3) / sqrt($3)) every ::1 with image, \
     '' using 1:2:(sprintf('%.1f', rounded(($5 - $3) / sqrt($3)))) every ::1 with labels
unset multiplot
