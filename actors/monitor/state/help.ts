/** What `?` shows: every key. `piw-monitor --help` and the documents name the most used ones. */

const keys: readonly (readonly [keys: string, what: string])[] = [
  ["up down", "move, in the list or in the pane below it"],
  ["PgUp PgDn Home End", "move by pages, to the first, to the last"],
  ["Tab", "from the list to the pane and back"],
  ["left right 1-5", "plots, log, tasks, queue, events"],
  ["Enter", "what can be done with the selected one"],
  ["/", "show lines with these words only; Esc shows all"],
  ["s", "skip: the slave drops the build in hand"],
  ["z  w", "put the slave to sleep, wake it"],
  ["S  W", "put all slaves to sleep, wake them"],
  ["k", "kill the slave"],
  ["p  r", "pause and resume all tasks, in the tree the selected one"],
  ["l", "log level of all tasks, in the tree of the selected one"],
  ["t", "terminate the master"],
  ["Ctrl-L  Ctrl-Z", "draw the screen anew; to the shell (fg comes back)"],
  ["q  Ctrl-C", "quit this monitor; the farm goes on"],
  ["mouse", "click selects, twice opens; the wheel scrolls"],
];

const width = Math.max(...keys.map(([names]) => names.length));

export const helpLines: readonly string[] = [
  "Keys",
  "",
  ...keys.map(([names, what]) => `${names.padEnd(width)}  ${what}`),
  "",
  "What could do harm is asked again; each order is answered",
  "in the line above the keys. Any key closes this.",
];
