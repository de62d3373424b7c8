// The page: every part is shown once, from what the file holds.

import { showCode } from "./code.js";
import { Curve } from "./curve.js";
import { showFindings, showHeader, showNotes, showPeak } from "./figures.js";
import { Strategies } from "./strategies.js";
import { showSweep } from "./sweep.js";
import { showLines, showTensors, showUnused } from "./tables.js";
import { showModules } from "./tree.js";

const data = JSON.parse(document.getElementById("data").textContent);
showHeader(data);
showFindings(data);
showPeak(data);
const strategies = new Strategies(data);
showCode(data);
showSweep(data);
showUnused(data);
showModules(data);
showLines(data);
showTensors(data);
showNotes(data);
const curve = data.curve.at.length > 1 ? new Curve(data) : null;
window.gradscope = { data, curve, strategies };
