"use strict";
// the slider: the range input moves the cut between the two pictures
for (const box of document.querySelectorAll(".slider")) {
  const range = box.querySelector("input");
  const move = () => box.style.setProperty("--cut", range.value + "%");
  range.addEventListener("input", move);
  move();
}
// charts: the values under the pointer are written into the legend
for (const figure of document.querySelectorAll(".chart")) {
  const svg = figure.querySelector("svg");
  if (!svg) continue;
  const cross = svg.querySelector(".cross");
  const outputs = figure.querySelectorAll("output");
  const curves = [...svg.querySelectorAll("polyline")].map((line) => ({
    places: [...line.points].map((p) => p.x),
    values: line.dataset.values.split(";"),
  }));
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * svg.viewBox.baseVal.width;
    curves.forEach((curve, number) => {
      if (!curve.places.length) return;
      let best = 0;
      curve.places.forEach((place, i) => {
        if (Math.abs(place - x) < Math.abs(curve.places[best] - x)) best = i;
      });
      const [at, value] = curve.values[best].split(":");
      outputs[number].textContent = value + " at " + at;
      cross.setAttribute("x1", curve.places[best]);
      cross.setAttribute("x2", curve.places[best]);
    });
  });
  svg.addEventListener("pointerleave", () => {
    outputs.forEach((output) => (output.textContent = ""));
    cross.setAttribute("x1", -9);
    cross.setAttribute("x2", -9);
  });
}
