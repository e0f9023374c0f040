# The points of a scan by their loss, and the path from the best of them: gnuplot -c lhs_scan.gp FOLDER draws
# FOLDER/lhs_scan.svg from FOLDER/lhs_scan.csv and FOLDER/lhs_scan_path.csv.
csv = ARG1 . '/lhs_scan.csv'
path = ARG1 . '/lhs_scan_path.csv'

set encoding utf8
set terminal svg size 720,540 font 'sans-serif,15' background rgb 'white'
set output ARG1 . '/lhs_scan.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
set key outside top center horizontal reverse Left samplen 2

set xlabel 'log_{10} (stellar mass / halo mass)'
set ylabel 'log_{10} (scatter / dex)'
set cblabel 'log_{10} loss'
set xrange [-4:0]
set yrange [-1.5:0.5]
set palette defined (0 '#1f3b63', 1 '#3f8f8b', 2 '#e8d27a', 3 '#c8442c')
plot csv using 1:2:(log10($3)) every ::1 with points pointtype 7 pointsize 1 palette title 'scan', \
     path using 1:2 every ::1 with lines linewidth 2.5 linecolor rgb 'black' title 'L-BFGS-B', \
     path using 1:2 every ::1::1 with points pointtype 6 pointsize 1.6 linewidth 2.5 linecolor rgb 'black' \
         title 'best of the scan', \
     '+' using (-2.0):(-0.7) every ::::0 with points pointtype 2 pointsize 1.4 linewidth 2.5 linecolor rgb '#c8442c' \
         title 'truth'
