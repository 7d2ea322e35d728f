// Sets one equation a line: reads {"latex": …, "katex_options": …}, answers {"html": …} or {"error": …}.
// Ends when its input ends, so that it never outlives the build. Argument: the path of katex.min.js.
"use strict";
const katex = require(process.argv[2]);
const lines = require("readline").createInterface({ input: process.stdin, crlfDelay: Infinity });

lines.on("line", (line) => {
  let answer;
  try {
    const { latex, katex_options } = JSON.parse(line);
    answer = { html: katex.renderToString(latex, { strict: "ignore", ...katex_options }) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
