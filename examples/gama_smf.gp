# The observed and the fitted stellar mass function: gnuplot -c gama_smf.gp SMF.csv FIGURE.svg
# SMF.csv has the columns log_mstar,phi,error,phi_guess,phi_fit,phi_fit_error; densities in 1e-3 / Mpc^3 / dex.

# An error bar that reaches zero or below has no lower end on this axis: it ends at the axis.
per_mpc3 = 1e-3
lowest = 3e-7
lower(phi, error) = phi > error ? (phi - error) * per_mpc3 : lowest

set encoding utf8
set terminal svg size 720,540 font 'sans-serif,15' background rgb 'white'
set output ARG2
set datafile separator ','

set xlabel 'log_{10} (stellar mass / M_⊙)'
set ylabel 'φ  (Mpc^{-3} dex^{-1})'
set logscale y
set format y '10^{%L}'
set xrange [7.7:12.1]
set yrange [lowest:1e-1]
set border 3 linecolor rgb '#444444'
set tics nomirror out
set mxtics 2
set grid linecolor rgb '#e4e4e4' linetype 1 linewidth 0.7
set key bottom left reverse Left spacing 1.3 samplen 2.5

plot ARG1 using 1:(lower($5, $6)):(($5 + $6) * per_mpc3) every ::1 with filledcurves linecolor rgb '#f0c4b8' \
       title 'its standard errors', \
     '' using 1:($4 * per_mpc3) every ::1 with lines linewidth 2 dashtype (8, 6) linecolor rgb '#9a9a9a' \
       title 'Moster et al. 2013 (the guess)', \
     '' using 1:($5 * per_mpc3) every ::1 with lines linewidth 3 linecolor rgb '#c8442c' title 'fit', \
     '' using 1:($2 * per_mpc3):(lower($2, $3)):(($2 + $3) * per_mpc3) every ::1 with yerrorbars \
       pointtype 7 pointsize 0.6 linewidth 1.3 linecolor rgb '#1f3b63' title 'GAMA, Baldry et al. 2012'
