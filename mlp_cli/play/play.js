"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const model = JSON.parse(find("model").textContent);
  const { names, image, features, samples } = model;
  const columns = features?.flatMap(({ name, categories }) => categories?.map((text) => `${name}=${text}`) ?? name);
  const plane = columns?.length === 2 && features.length === 2;
  const quantity = model.output === "linear";
  const make = (tag, options, ...inside) => {
    const element = Object.assign(document.createElement(tag), options);
    element.append(...inside);
    return element;
  };

  // Arrays are base64: float16 times a power of two (weights), float32, float64, or bytes.
  const halves = Float64Array.from({ length: 65536 }, (_, bits) => {
    const exponent = (bits >> 10) & 31;
    const size = exponent ? (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15) : (bits & 1023) * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
  const array = ({ kind, data, unit }) => {
    const text = atob(data);
    const raw = new Uint8Array(text.length);
    for (let i = 0; i < raw.length; i++) raw[i] = text.charCodeAt(i);
    if (kind === "float16") return Float64Array.from(new Uint16Array(raw.buffer), (bits) => halves[bits] * unit);
    return kind === "float32" ? new Float32Array(raw.buffer) : kind === "float64" ? new Float64Array(raw.buffer) : raw;
  };
  const given = Object.fromEntries(Object.entries(model.arrays).map(([name, each]) => [name, array(each)]));

  // The network, as mlp_cli/export.py says of its arrays.
  const logistic = (z) => 0.5 * (1 + Math.tanh(z / 2));
  const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
  const ERFC = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368];
  const erfc = (x) => { // Press et al., Numerical Recipes, section 6.2; relative error 1.2e-7
    const t = 1 / (1 + Math.abs(x) / 2);
    const tail = t * Math.exp(-x * x - 1.26551223 + t * ERFC.reduce((sum, term) => sum * t + term, 0));
    return x < 0 ? 2 - tail : tail;
  };
  const elu = (z, { alpha }, scale = 1) => scale * (z > 0 ? z : alpha * Math.expm1(z));
  const gelu = (z, { approximate }) =>
    z * (approximate ? logistic(2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)) : erfc(-z * Math.SQRT1_2) / 2);
  const ACTIVATIONS = {
    relu: (z) => Math.max(z, 0),
    relu6: (z) => Math.min(Math.max(z, 0), 6),
    leaky_relu: (z, { negative_slope }) => Math.max(z, negative_slope * z),
    prelu: (z, { slope }, unit) => (z > 0 ? z : slope[unit] * z),
    elu: (z, layer) => elu(z, layer),
    selu: (z) => elu(z, { alpha: 1.6732632423543772 }, 1.0507009873554805),
    gelu,
    silu: (z) => z * logistic(z),
    mish: (z) => z * Math.tanh(softplus(z)),
    softplus,
    sigmoid: logistic,
    hard_sigmoid: (z) => Math.min(Math.max((z + 3) / 6, 0), 1),
    tanh: Math.tanh,
    softsign: (z) => z / (1 + Math.abs(z)),
    identity: (z) => z,
  };
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const LAYERS = {
    scale: (x, { centre, scale, shift }) => x.map((value, i) => (value - (centre?.[i] ?? 0)) * scale[i] + shift[i]),
    dense: (x, { weights, bias }) => {
      const out = Float64Array.from(bias);
      x.forEach((value, i) => {
        if (value) for (let j = 0, at = i * out.length; j < out.length; j++, at++) out[j] += value * weights[at];
      });
      return out;
    },
    layer_norm: (x, { gamma, beta, epsilon }) => {
      const middle = mean(x);
      const deviation = Math.sqrt(mean(x.map((value) => (value - middle) ** 2)) + epsilon);
      return x.map((value, i) => ((value - middle) / deviation) * gamma[i] + beta[i]);
    },
    activation: (x, layer) => x.map((z, unit) => ACTIVATIONS[layer.name](z, layer, unit)),
  };
  const layers = [{ kind: "scale", centre: given.centre, scale: given.scale, shift: given.shift }];
  if (given.projection) layers.push({ kind: "dense", weights: given.projection, bias: given.projection_shift });
  const first = layers.length; // the number of the first dense layer
  for (let k = 1; given[`W${k}`]; k++) {
    const of = (name) => given[name + k];
    layers.push({ kind: "dense", weights: of("W"), bias: of("b") });
    if (of("gain")) layers.push({ kind: "scale", scale: of("gain"), shift: of("offset") });
    if (of("epsilon")) layers.push({ kind: "layer_norm", epsilon: of("epsilon")[0], gamma: of("gamma"), beta: of("beta") });
    if (model.activations[k - 1]) layers.push({ kind: "activation", slope: of("slope"), ...model.activations[k - 1] });
  }
  const through = (x, some) => some.reduce((values, layer) => LAYERS[layer.kind](values, layer), x);
  const run = (row) => { // what enters each layer, and the outputs last
    const trace = [Float64Array.from(row)];
    for (const layer of layers) trace.push(through(trace.at(-1), [layer]));
    return trace;
  };
  const answer = (out) => {
    if (model.output === "sigmoid") return [logistic(-out[0]), logistic(out[0])];
    const most = Math.max(...out);
    const powers = Array.from(out, (z) => Math.exp(z - most));
    if (!quantity) return powers.map((power) => power / mean(powers) / powers.length);
    const { target_log: log, target_shift: shift, target_scale: scale } = given;
    return Array.from(out, (z) => z * scale[0] + shift[0]).map((value) => (log[0] ? Math.exp(value) : value));
  };
  // What speaks for an answer: its logit beyond the mean of all, or the quantity itself.
  const evidence = (out, k) => {
    if (quantity) return answer(out)[k];
    return model.output === "sigmoid" ? (k ? out[0] : -out[0]) : out[k] - mean(out);
  };
  const largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
  window.predict = (row) => answer(run(row).at(-1)); // for the browser's console: a row as the data set has it

  // Words.
  const number = (value, form = { maximumSignificantDigits: 4 }) => {
    const size = Math.abs(value);
    if (size && (size < 1e-3 || size >= 1e12)) return value.toExponential(2).replace(/-/g, "−");
    return value.toLocaleString("en", size < 1e4 ? form : { maximumFractionDigits: 0 }).replace("-", "−");
  };
  const short = (value) => number(value, { maximumSignificantDigits: 3, minimumSignificantDigits: 3 });
  const signed = (value) => (value < 0 ? "" : "+") + short(value);
  const percent = (p) => (p > 0.9995 && p < 1 ? "> 99.9 %" : p > 0 && p < 0.0005 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`);
  const named = (label) => (quantity ? number(label) : names[label]);
  const said = (found) => named(quantity ? found[0] : largest(found));

  // Colours, in the page's light or dark dress.
  let colours;
  let pictures; // of the units' weights
  const mix = (from, to, share) => from.map((value, i) => value + (to[i] - value) * share);
  const dressing = [() => {
    const style = getComputedStyle(document.documentElement);
    const rgb = (name) => [1, 3, 5].map((at) => parseInt(style.getPropertyValue(`--${name}`).trim().slice(at, at + 2), 16));
    const [paper, ink, plus, minus] = ["paper", "ink", "plus", "minus"].map(rgb);
    colours = { paper, ink, plus, minus, classes: names.map((_, k) => mix(rgb(`s${k % 6}`), ink, (0.4 * Math.floor(k / 6)) % 1)) };
    pictures = new Map();
  }];
  const css = (colour) => `rgb(${colour.map(Math.round).join(" ")})`;
  const diverging = (share) => mix(colours.paper, share < 0 ? colours.minus : colours.plus, Math.min(1, Math.abs(share)));
  const pixels = (canvas, width, height, colour) => {
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true }); // small: quickest in the processor's own memory
    const found = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) found.data.set([...colour(i), 255], 4 * i);
    context.putImageData(found, 0, 0);
    return canvas;
  };

  // What is asked: a row as the data set has it, or null where nothing is drawn; its true answer if it is a test row.
  let row = null;
  let truth = null;
  let asked = null; // the answer that is explained; null for the likeliest
  let waiting = false;
  const drawing = []; // what is done for every row
  const update = () => {
    if (!waiting) requestAnimationFrame(() => {
      waiting = false;
      if (row instanceof Function) row = row();
      const trace = row && run(row);
      for (const draw of drawing) draw(trace, trace && answer(trace.at(-1)));
    });
    waiting = true;
  };
  const ask = (values, label = null) => { // values: a row, or what makes it once a frame
    [row, truth] = [values, label];
    update();
  };

  // The answer, and a bar for each class or quantity.
  const MOST_BARS = 12;
  if (quantity && model.range) find("choose").textContent = `The bar goes from ${model.range.map((end) => number(end)).join(" to ")}, the range of the training rows.`;
  const bars = names.map((name, k) => {
    const [fill, value] = [make("i", {}), make("b", {})];
    const bar = make("button", { type: "button" }, make("bdi", { textContent: name }), make("span", {}, fill), value);
    bar.addEventListener("click", () => {
      asked = asked === k ? null : k;
      update();
    });
    find("bars").append(bar);
    return { bar, fill, value };
  });
  drawing.push((trace, found) => {
    const best = found && largest(found);
    find("answer").textContent = !found ? "Nothing drawn yet" : (quantity ? `${names[0]} ` : "") + said(found);
    const error = model.error ? `off by ${short(model.error)} on average` : "";
    find("choose").hidden = names.length === 1 && !(quantity && model.range);
    find("certainty").textContent = !found ? "" : quantity ? error : percent(found[best]);
    find("truth").textContent = truth === null ? "" : `A test row, ${quantity ? "true value" : "class"} ${named(truth)}.`;
    const order = names.map((_, k) => k);
    if (found && order.length > MOST_BARS) order.sort((a, b) => found[b] - found[a]);
    order.forEach((k, place) => {
      const { bar, fill, value } = bars[k];
      const [least, most] = quantity ? model.range ?? [0, 0] : [0, 1];
      const share = found && most > least ? (found[k] - least) / (most - least) : 0;
      fill.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
      value.textContent = found ? (quantity ? number : percent)(found[k]) : "";
      [bar.hidden, bar.style.order] = [place >= MOST_BARS, place];
      bar.classList.toggle("true", !quantity && truth === k);
      bar.setAttribute("aria-pressed", String(k === (asked ?? best)));
    });
  });

  // The hidden units: what each of the first layer's adds, and its weights as a picture of the inputs.
  const SHOWN = 16;
  const MOST_NAMES = 40;
  if (columns) {
    const more = columns.length > MOST_NAMES ? ` and ${columns.length - MOST_NAMES} more` : "";
    find("aboutBars").textContent = `Its bars, from the left: ${columns.slice(0, MOST_NAMES).join(", ")}${more}. `
      + "The last line names the two of these that push it most in this row, and how far: weight times scaled input.";
    find("aboutBars").hidden = false;
  }
  const projection = layers[first - 1].kind === "dense" ? layers[first - 1] : null; // principal components
  const fires = layers.findIndex((layer) => layer.kind === "activation");
  const next = fires < 0 ? null : layers[fires + 1];
  const size = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  const pictureOf = (j) => {
    if (pictures.has(j)) return pictures.get(j);
    const { weights: all, bias } = layers[first];
    const own = Float64Array.from({ length: all.length / bias.length }, (_, i) => all[i * bias.length + j]);
    const ofInput = (_, i) => own.reduce((sum, value, c) => sum + value * projection.weights[i * own.length + c], 0);
    const weights = projection ? Float64Array.from({ length: model.width }, ofInput) : own;
    const most = size(weights);
    const wide = 4 * Math.min(weights.length, 120);
    const level = (i, c) => weights[place(i, c)] / most;
    const bar = (i) => {
      const [tall, y] = [Math.round((20 * weights[Math.floor((i % wide) / 4)]) / most), 20 - Math.floor(i / wide)];
      return i % 4 < 3 && y * tall >= 0 && Math.abs(y) <= Math.abs(tall) ? diverging(Math.sign(tall)) : colours.paper;
    };
    const title = columns?.slice(0, MOST_NAMES).map((name, i) => `${name} ${signed(weights[i])}`).join("\n") ?? "";
    const canvas = make("canvas", { role: "img", ariaLabel: `Weights of unit ${j + 1}`, title });
    if (!image) pixels(canvas, wide, 41, bar);
    else if (image.channels < 3) pixels(canvas, image.width, image.height, (i) => diverging(level(i, 0)));
    else pixels(canvas, image.width, image.height, (i) => [0, 1, 2].map((c) => 128 + 127 * level(i, c)));
    pictures.set(j, { canvas, weights });
    return pictures.get(j);
  };
  const strongest = (pushes) => { // the inputs that move a unit most
    const order = Array.from(pushes, (_, i) => i).sort((a, b) => Math.abs(pushes[b]) - Math.abs(pushes[a]));
    return order.slice(0, 2).map((i) => `${columns[i]} ${signed(pushes[i])}`).join(", ");
  };
  const reach = next && Array.from(layers[first].bias, (_, j) => size(next.weights.subarray(j * next.bias.length, (j + 1) * next.bias.length)));
  // The units of most effect on an answer, with it: by what the answer is without each.
  const effects = (trace, k) => {
    const active = trace[fires + 1];
    const count = next.bias.length;
    const cost = layers.slice(fires + 2).reduce((sum, layer) => sum + (layer.weights?.length ?? 0), 1);
    const looked = Math.round(Math.min(4 * SHOWN, Math.max(SHOWN, 3e7 / cost))); // at so many, within a tenth of a second
    const reached = Array.from(active, (value, j) => [j, Math.abs(value) * reach[j]]).sort((a, b) => b[1] - a[1]).slice(0, looked);
    const without = (j) => trace[fires + 2].map((value, i) => value - active[j] * next.weights[j * count + i]);
    const whole = evidence(trace.at(-1), k);
    return reached.map(([j]) => [j, whole - evidence(through(without(j), layers.slice(fires + 2)), k)]);
  };
  drawing.push((trace, found) => {
    find("explained").hidden = !trace;
    if (!trace) return;
    const k = asked ?? largest(found);
    const active = trace[fires < 0 ? layers.length : fires + 1];
    const all = fires < 0 ? Array.from(active, (value, j) => [j, value]) : effects(trace, k);
    const order = all.filter((each) => each[1]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, SHOWN);
    const scaled = trace[projection ? first - 1 : first];
    find("units").replaceChildren(...order.map(([j, effect]) => {
      const { canvas, weights } = pictureOf(j);
      const told = make("b", { textContent: signed(effect), className: effect < 0 ? "minus" : "plus" });
      const what = fires < 0 ? names.at(j - active.length) : `output ${short(active[j])}`;
      const words = make("figcaption", {}, told, make("span", { textContent: what }));
      if (columns) words.append(make("small", { textContent: strongest(weights.map((weight, i) => weight * scaled[i])) }));
      return make("figure", {}, canvas, words);
    }));
    const moves = quantity ? `The units that move ${names[k]} most` : `The units that speak for and against “${names[k]}”`;
    find("unitsTitle").textContent = fires < 0 ? "The weights behind each answer" : moves;
    find("noUnits").hidden = fires >= 0;
    find("aboutUnits").hidden = fires < 0;
    const hidden = layers.map((layer, i) => [layer, trace[i + 1]]).filter(([layer]) => layer.kind === "activation");
    find("strips").replaceChildren(...hidden.map(([layer, values]) => {
      const [most, across] = [size(values), Math.min(values.length, 64)];
      const colour = (i) => diverging(i < values.length ? values[i] / most : 0);
      const above = layer.name === "relu" ? `, ${values.filter((value) => value > 0).length.toLocaleString("en")} above 0` : "";
      const words = make("figcaption", { textContent: `${values.length.toLocaleString("en")} ${layer.name} units${above}` });
      const cells = pixels(make("canvas", {}), across, Math.ceil(values.length / across), colour);
      cells.style.width = `${8 * across}px`;
      return make("figure", {}, cells, words);
    }));
  });

  // Pictures: where a row has channel c of pixel i, and a row as a picture.
  const place = (i, c) => (image.first ? c * image.width * image.height + i : i * image.channels + c);
  const paint = (canvas, values) => {
    const level = (i, c) => (255 * values[place(i, image.channels < 3 ? 0 : c)]) / image.white;
    return pixels(canvas, image.width, image.height, (i) => [0, 1, 2].map((c) => level(i, c)));
  };
  // A larger picture made smaller by means over the pixels (anti-aliased); what it does not reach is 0.
  const shrunk = (plane, across, scale, left, top) => {
    const [sums, counts] = [0, 1].map(() => new Float64Array(image.width * image.height));
    plane.forEach((value, i) => {
      const x = Math.floor(((i % across) + 0.5 - left) * scale);
      const y = Math.floor((Math.floor(i / across) + 0.5 - top) * scale);
      if (x < 0 || x >= image.width || y < 0 || y >= image.height) return;
      sums[y * image.width + x] += value;
      counts[y * image.width + x] += 1;
    });
    return sums.map((sum, i) => sum / (counts[i] || 1));
  };
  // Ink, 0 … 1, as the data set's pictures have theirs: its box fitted into their box, the centre of mass or the box in the middle.
  const fitted = (ink, across) => {
    let [left, right, top, bottom, mass, x, y] = [Infinity, 0, Infinity, 0, 0, 0, 0];
    ink.forEach((value, i) => {
      if (value < 0.1) return;
      const [u, v] = [i % across, Math.floor(i / across)];
      [left, right, top, bottom] = [Math.min(left, u), Math.max(right, u + 1), Math.min(top, v), Math.max(bottom, v + 1)];
      [mass, x, y] = [mass + value, x + value * (u + 0.5), y + value * (v + 0.5)];
    });
    if (!mass) return null;
    const scale = image.box * Math.min(image.width / (right - left), image.height / (bottom - top));
    const [u, v] = image.middle === "mass" ? [x / mass, y / mass] : [(left + right) / 2, (top + bottom) / 2];
    const small = shrunk(ink, across, scale, u - image.width / 2 / scale, v - image.height / 2 / scale);
    return small.map((value) => image.white * (image.dark ? value : 1 - value));
  };
  const FINE = 8; // pixels of a larger picture for one of the network's
  const fromPicture = (source) => {
    const own = source.width === image.width && source.height === image.height;
    const scale = own ? 1 : FINE * Math.max(image.width / source.width, image.height / source.height);
    const [across, down] = [Math.round(source.width * scale), Math.round(source.height * scale)];
    const context = make("canvas", { width: across, height: down }).getContext("2d", { willReadFrequently: true });
    Object.assign(context, { fillStyle: "#fff", imageSmoothingQuality: "medium" }); // white behind what is transparent
    context.fillRect(0, 0, across, down);
    context.drawImage(source, 0, 0, across, down);
    const { data } = context.getImageData(0, 0, across, down);
    const planes = [0, 1, 2].map((c) => Float64Array.from({ length: across * down }, (_, i) => data[4 * i + c] / 255));
    const grey = planes[0].map((red, i) => 0.299 * red + 0.587 * planes[1][i] + 0.114 * planes[2][i]);
    const edge = grey.filter((_, i) => i < across || i >= across * (down - 1) || i % across === 0 || (i + 1) % across === 0).sort();
    const ground = edge[edge.length >> 1];
    if (image.middle && !own) {
      const ink = grey.map((value) => Math.max(0, ground > 0.5 ? ground - value : value - ground));
      const most = Math.max(0.1, ink.toSorted()[Math.floor(0.9995 * ink.length)]);
      // Digits are of two levels before they are made small, as MNIST's were: paper has shadows.
      const level = (value) => (image.middle === "mass" ? Number(value > most / 2) : Math.min(1, value / most));
      return fitted(ink.map((value) => (value < 0.08 * most ? 0 : level(value))), across);
    }
    const turn = image.middle && ground > 0.5 === image.dark;
    const [left, top] = own ? [0, 0] : [(across - FINE * image.width) / 2, (down - FINE * image.height) / 2];
    const values = new Float64Array(model.width);
    (image.channels < 3 ? [grey] : planes).forEach((plane, c) =>
      shrunk(plane, across, own ? 1 : 1 / FINE, left, top).forEach((value, i) => (values[place(i, c)] = image.white * (turn ? 1 - value : value))));
    return values;
  };

  let strokes = []; // of the pad: lists of points, 0 … 1
  const trail = (context, width, scale, x = 0, y = 0) => {
    Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) {
      context.beginPath();
      for (const [u, v] of [stroke[0], ...stroke]) context.lineTo((u - x) * scale, (v - y) * scale);
      context.stroke();
    }
  };
  // The drawing at the size that the network wants, with a pen of one width however large it was drawn.
  const fromStrokes = () => {
    if (!strokes.length) return null;
    const [us, vs] = [0, 1].map((axis) => strokes.flat().map((point) => point[axis]));
    const [left, top] = [Math.min(...us), Math.min(...vs)];
    const [wide, tall] = [Math.max(...us) - left, Math.max(...vs) - top];
    const room = FINE * Math.min(image.width, image.height);
    const pen = image.pen * room;
    const scale = (image.box * room - pen) / Math.max(wide, tall, 0.05);
    const [across, down] = [wide, tall].map((length) => Math.ceil(length * scale + 2 * pen));
    const context = make("canvas", { width: across, height: down }).getContext("2d", { willReadFrequently: true });
    trail(context, pen, scale, left - pen / scale, top - pen / scale);
    const { data } = context.getImageData(0, 0, across, down);
    return fitted(Float64Array.from({ length: across * down }, (_, i) => data[4 * i + 3] / 255), across);
  };
  const startPictures = () => {
    const pad = find("pad");
    const context = pad.getContext("2d");
    const draws = image.channels === 1;
    let pen = null; // of the keyboard
    const drawn = () => ask(fromStrokes);
    drawing.push(() => {
      context.clearRect(0, 0, pad.width, pad.width);
      find("seen").hidden = !row;
      if (row) paint(find("seenPicture"), row);
      if (row && !strokes.length) {
        const scale = pad.width / Math.max(image.width, image.height);
        const [wide, tall] = [image.width * scale, image.height * scale];
        context.imageSmoothingEnabled = false;
        context.drawImage(find("seenPicture"), (pad.width - wide) / 2, (pad.width - tall) / 2, wide, tall);
      }
      context.strokeStyle = css(colours.ink);
      trail(context, 0.07 * pad.width, pad.width);
      if (!pen) return;
      const ring = new Path2D();
      ring.arc(pen.x * pad.width, pen.y * pad.width, 0.05 * pad.width, 0, 7);
      Object.assign(context, { strokeStyle: css(colours.minus), lineWidth: pen.down ? 12 : 4 });
      context.stroke(ring);
    });
    const open = async (file) => {
      if (!file) return;
      const picture = await createImageBitmap(file).catch(() => null);
      const found = picture && fromPicture(picture);
      find("told").textContent = found ? "" : picture ? "There is nothing on that picture." : "This browser cannot read that as a picture.";
      strokes = [];
      ask(found || null); // no answer of another picture stays beside what was said
    };
    find("file").addEventListener("change", (event) => open(event.target.files[0]).then(() => (event.target.value = "")));
    addEventListener("paste", (event) => open(event.clipboardData.files[0]));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      open(event.dataTransfer.files[0]);
    });
    find("how").textContent = `${draws ? "Draw in the square, or d" : "D"}rop or paste a picture anywhere on the page.`;
    find("undo").hidden = find("clear").hidden = !draws;
    if (!draws) return;
    const point = ({ clientX, clientY }) => {
      const box = pad.getBoundingClientRect();
      return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    };
    pad.classList.add("draws");
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      pen = null;
      strokes.push([point(event)]);
      drawn();
    });
    pad.addEventListener("pointermove", (event) => {
      if (!pad.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents?.() ?? [];
      strokes.at(-1).push(...(all.length ? all : [event]).map(point));
      drawn();
    });
    pad.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way && event.key !== " ") return;
      event.preventDefault();
      pen ??= { x: 0.5, y: 0.3, down: false };
      if (way) [pen.x, pen.y] = [pen.x, pen.y].map((value, axis) => Math.min(0.96, Math.max(0.04, value + way[axis] / 28)));
      else pen.down = !pen.down;
      if (!pen.down) return update();
      if (!way) strokes.push([]);
      strokes.at(-1).push([pen.x, pen.y]);
      drawn();
    });
    pad.addEventListener("blur", () => {
      pen = null;
      update();
    });
    find("undo").addEventListener("click", () => strokes.pop() && drawn());
    find("clear").addEventListener("click", () => {
      strokes = [];
      drawn();
    });
  };

  // A table: a slider and a number for a column of numbers, a choice for one of texts.
  const MOST_FIELDS = 200;
  const startForm = () => {
    let start = 0;
    const fields = features.map(({ name, categories, least, most, whole }) => {
      const from = start;
      start += categories?.length ?? 1;
      const set = (...values) => {
        const changed = Float64Array.from(row);
        changed.set(values, from);
        ask(changed);
      };
      const title = make("bdi", { textContent: name });
      if (categories) {
        const choice = make("select", {}, ...categories.map((text) => make("option", { textContent: text })));
        choice.addEventListener("change", () => set(...categories.map((_, i) => Number(i === choice.selectedIndex))));
        const show = () => (choice.selectedIndex = row.slice(from, from + categories.length).indexOf(1));
        return { show, line: make("label", {}, title, choice) };
      }
      const slider = make("input", { type: "range", min: least, max: most, step: whole ? 1 : "any", ariaLabel: name });
      const exact = make("input", { type: "number", step: "any" });
      const places = Math.min(12, Math.max(0, Math.ceil(3 - Math.log10(most - least)))); // a thousandth of the range
      slider.addEventListener("input", () => set(slider.valueAsNumber));
      exact.addEventListener("input", () => Number.isFinite(exact.valueAsNumber) && set(exact.valueAsNumber));
      const show = () => {
        slider.value = row[from];
        if (document.activeElement !== exact) exact.value = Number(row[from].toFixed(places));
      };
      return { show, line: make("label", {}, title, slider, exact) };
    });
    const shown = fields.slice(0, MOST_FIELDS);
    find("form").append(...shown.map((field) => field.line));
    drawing.push(() => shown.forEach((field) => field.show()));
    const starts = features.map((each) => each.categories?.map((_, i) => Number(i === each.start)) ?? each.start);
    ask(Float64Array.from(starts.flat()));
  };

  // Two features: what the network says everywhere, test rows, and the point that is asked.
  const startPlane = () => {
    const canvas = find("plane");
    const context = canvas.getContext("2d");
    const side = canvas.width;
    const [spanX, spanY] = features.map(({ least, most }) => [least - 0.05 * (most - least || 1), 1.1 * (most - least || 1)]);
    const at = (u, v) => Float64Array.from([spanX[0] + u * spanX[1], spanY[0] + (1 - v) * spanY[1]]);
    const spot = ([x, y]) => [(side * (x - spanX[0])) / spanX[1], side - (side * (y - spanY[0])) / spanY[1]];
    const cost = layers.reduce((sum, layer) => sum + (layer.weights?.length ?? 0), 0);
    const cells = Math.round(Math.min(160, Math.max(24, Math.sqrt(1e8 / cost))));
    const middle = (i) => at(((i % cells) + 0.5) / cells, (Math.floor(i / cells) + 0.5) / cells);
    const answers = Array.from({ length: cells * cells }, (_, i) => window.predict(middle(i)));
    const [low, high] = [Math.min, Math.max].map((end) => answers.reduce((found, [value]) => end(found, value), answers[0][0]));
    const colourOf = (found) => {
      if (quantity) return mix(colours.paper, colours.plus, Math.min(1, Math.max(0, (found[0] - low) / (high - low || 1))));
      return mix(colours.paper, colours.classes[largest(found)], 0.1 + 0.5 * Math.max(...found));
    };
    let ground;
    dressing.push(() => (ground = pixels(make("canvas", {}), cells, cells, (i) => colourOf(answers[i]))));
    drawing.push(() => {
      context.drawImage(ground, 0, 0, side, side);
      Object.assign(context, { strokeStyle: css(colours.paper), lineWidth: 2 });
      samples?.labels.forEach((label, i) => {
        const dot = new Path2D();
        dot.arc(...spot(sampleRow(i)), 7, 0, 7);
        context.fillStyle = css(quantity ? colourOf([label]) : colours.classes[label]);
        context.fill(dot);
        context.stroke(dot);
      });
      const [x, y] = spot(row);
      context.strokeStyle = css(colours.ink);
      context.stroke(new Path2D(`M${x} 0V${side}M0 ${y}H${side}`));
    });
    const follow = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      ask(at((clientX - box.left) / box.width, (clientY - box.top) / box.height));
    };
    for (const kind of ["pointermove", "pointerdown"]) canvas.addEventListener(kind, follow);
    const [across, up] = features.map(({ name, least, most }) => `${name}, ${number(least)} to ${number(most)}`);
    const dots = samples ? ` Dots: test rows in the colour of their true ${quantity ? "value" : "class"}.` : "";
    find("axes").textContent = `Across: ${across}. Up: ${up}.${dots}`;
  };

  // Test rows to look at.
  const table = samples && array(samples.x);
  const sampleRow = (i) => Float64Array.from(table.subarray(i * model.width, (i + 1) * model.width));
  const startSamples = () => {
    for (let i = 0; i < samples.shown; i++) {
      const [label, found] = [samples.labels[i], window.predict(sampleRow(i))];
      const right = largest(found) === label;
      const text = !quantity && right ? named(label) : `${named(label)} → ${said(found)}`;
      const button = make("button", { type: "button" }, make("bdi", { textContent: text }));
      if (image) button.prepend(paint(make("canvas", {}), sampleRow(i)));
      button.addEventListener("click", () => {
        [strokes, asked] = [[], null];
        ask(sampleRow(i), label);
        find("answer").scrollIntoView({ block: "nearest" });
      });
      const group = find(quantity ? "quantities" : right ? "rights" : "wrongs");
      group.hidden = false;
      group.lastElementChild.append(button);
    }
  };

  document.body.classList.add(image ? "pictures" : "table");
  dressing[0]();
  if (image) startPictures();
  if (features) startForm();
  if (plane) startPlane();
  if (samples) startSamples();
  for (const dress of dressing) dress();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const dress of dressing) dress();
    update();
  });
  for (const [id, there] of [["picture", image], ["form", features], ["planeBox", plane], ["samples", samples]]) find(id).hidden = !there;
  if (image && samples) ask(sampleRow(0), samples.labels[0]);
  update();
})();
