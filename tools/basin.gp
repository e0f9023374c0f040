# From which starts optimizers find the minimum: gnuplot -c basin.gp FOLDER draws FOLDER/basin.svg from FOLDER/basin.csv.
csv = ARG1 . '/basin.csv'
titles = "'L-BFGS-B' 'L-BFGS-B, bounds' 'trust region' 'trust region, bounds' 'Adam'"

set encoding utf8
set terminal svg size 1150,290 font 'sans-serif,13' background rgb 'white'
set output ARG1 . '/basin.svg'
set datafile separator ','
set border 3 linecolor rgb '#444444'
set tics nomirror out
unset key
set xrange [-4.4:0.4]
set yrange [-1.75:0.75]
set xtics 2
set ytics 0.5
set xlabel 'log_{10} f' offset 0,0.5
set style line 1 pointtype 7 pointsize 0.8 linecolor rgb '#1f3b63'
set style line 2 pointtype 6 pointsize 0.8 linecolor rgb '#c8442c'
set style line 3 pointtype 3 pointsize 1.2 linewidth 2 linecolor rgb 'black'

set multiplot layout 1,5 margins 0.06,0.99,0.2,0.88 spacing 0.02,0
do for [k = 1:5] {
  set title word(titles, k)
  if (k == 1) {
    set ylabel 'log_{10} σ'
    set format y '%g'
  } else {
    unset ylabel
    set format y ''
  }
  plot csv using 1:(column(k + 2) == 1 ? $2 : NaN) every ::1 with points linestyle 1, \
       csv using 1:(column(k + 2) == 0 ? $2 : NaN) every ::1 with points linestyle 2, \
       '+' using (-2.0):(log10(0.2)) every ::::0 with points linestyle 3
}
unset multiplot
