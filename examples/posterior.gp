# Samples of a posterior: gnuplot -c posterior.gp FOLDER draws FOLDER/posterior_trace.svg, the way of each parameter, and
# FOLDER/posterior.svg, the distributions of each and of each two, from FOLDER/posterior.csv.
csv = ARG1 . '/posterior.csv'
names = "log_{10}M_1 log_{10}ε β γ log_{10}σ"
n = words(names)

set encoding utf8
set datafile separator ','
set border linecolor rgb '#444444'
set tics nomirror out
unset key

set terminal svg size 900,700 font 'sans-serif,14' background rgb 'white'
set output ARG1 . '/posterior_trace.svg'
set multiplot layout n,1 margins 0.1,0.97,0.08,0.98 spacing 0.0,0.015
set format x ''
do for [i = 1:n] {
  set ylabel word(names, i)
  if (i == n) { set format x '%g'; set xlabel 'sample' }
  plot csv using 0:i every ::1 with lines linewidth 0.6 linecolor rgb '#1f3b63'
}
unset multiplot

set terminal svg size 900,900 font 'sans-serif,12' background rgb 'white'
set output ARG1 . '/posterior.svg'
array low[n]
array high[n]
do for [i = 1:n] {
  stats csv using i every ::1 nooutput
  low[i] = STATS_min
  high[i] = STATS_max
}
set multiplot layout n,n margins 0.12,0.98,0.11,0.98 spacing 0.015,0.015
do for [i = 1:n] {
  do for [k = 1:n] {
    if (k > i) {
      set multiplot next
    } else {
      set xrange [low[k]:high[k]]
      step = (high[k] - low[k]) / 3.0
      set xtics low[k], step nomirror out rotate by -45
      if (i == n) { set format x '%.2f'; set xlabel word(names, k) } else { set format x ''; unset xlabel }
      if (k == 1 && i > 1) { set format y '%.2f'; set ylabel word(names, i) } else { set format y ''; unset ylabel }
      if (k == i) {
        set yrange [0:*]
        unset ytics
        width = (high[k] - low[k]) / 30.0
        bin(x) = low[k] + width * (floor((x - low[k]) / width) + 0.5)
        plot csv using (bin(column(k))):(1.0) every ::1 smooth frequency with boxes fillstyle solid 0.6 \
             linecolor rgb '#1f3b63'
      } else {
        set yrange [low[i]:high[i]]
        step = (high[i] - low[i]) / 3.0
        set ytics low[i], step nomirror out
        plot csv using k:i every ::1 with points pointtype 7 pointsize 0.25 linecolor rgb '#551f3b63'
      }
    }
  }
}
unset multiplot
