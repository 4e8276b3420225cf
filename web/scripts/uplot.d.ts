/** `./uplot.js` is uPlot's own module, put among the assets by web/assets.ts: this gives the scripts its types. */
export { default } from "uplot";
