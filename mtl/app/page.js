// The page: sends a photo to its own server and shows what the networks say of each face.
// Names of tasks and folders come from files that anybody may have written: they are set as text, never as HTML.
"use strict";

const at = (id) => document.getElementById(id);
let networks = []; // {name, place, tasks, thresholds, limits}
let maxUpload = 0; // bytes
let photo = null; // the last one, a Blob
let shown = []; // the faces of it
let turn = 0; // counts photos, so that a late answer to an earlier one is not shown

function make(tag, { text, className, ...others } = {}, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  Object.assign(element, others);
  element.append(...children);
  return element;
}

function say(sentence, isProblem = false) {
  at("status").textContent = sentence;
  at("status").className = isProblem ? "problem" : "";
}

// What the server answers; a problem of any kind is thrown as its sentence.
async function ask(path, body) {
  let answer;
  try {
    const response = await fetch(path, body === undefined ? {} : { method: "POST", body });
    answer = await response.json();
  } catch {
    throw "The server of this page does not answer: is mtl still running in its terminal?";
  }
  if (answer.problem) throw answer.problem;
  return answer;
}

async function begin() {
  try {
    const answer = await ask("/networks");
    networks = answer.networks;
    maxUpload = answer.max_upload;
    at("not_for").textContent = answer.not_for;
    at("networks").append(
      ...networks.map(({ name, place, tasks, limits }) =>
        make("li", {}, make("strong", { text: name }), ` of ${place}, ${tasks.length} attributes. `, make("b", { text: limits })),
      ),
    );
  } catch (problem) {
    say(problem, true);
  }
}

async function look(blob) {
  const mine = ++turn;
  photo = blob;
  at("result").hidden = true;
  at("faces").replaceChildren();
  if (maxUpload && blob.size > maxUpload) {
    const size = (blob.size / 2 ** 20).toFixed(1);
    return say(`This file has ${size} MiB, and at most ${maxUpload / 2 ** 20} are taken.`, true);
  }
  say("Looking …");
  try {
    const answer = await ask(`/faces?aligned=${Number(at("aligned").checked)}`, blob);
    if (mine === turn) show(blob, answer);
  } catch (problem) {
    if (mine === turn) say(capital(problem), true);
  }
}

const capital = (sentence) => String(sentence).replace(/^[a-z]/, (letter) => letter.toUpperCase());

function show(blob, { width, height, faces }) {
  say(faces.length > 1 ? `${faces.length} faces were found; the largest comes first.` : "");
  showPhoto(blob, at("aligned").checked ? [] : faces.map((face) => face.box), width, height);
  shown = faces;
  showFaces();
  at("result").hidden = false;
}

function showFaces() {
  const title = (n) => (shown.length > 1 ? `Face ${n + 1}` : "");
  at("faces").replaceChildren(...shown.map((face, n) => showFace(face, title(n))));
}

function showPhoto(blob, boxes, width, height) {
  const image = at("shown");
  URL.revokeObjectURL(image.src);
  at("photo").hidden = false;
  image.onerror = () => (at("photo").hidden = true); // a format that the server reads and this browser does not
  image.src = URL.createObjectURL(blob);
  at("photo").replaceChildren(image, ...boxes.map((box, n) => showBox(box, String(n + 1), width, height)));
}

function showBox([left, top, right, bottom], number, width, height) {
  const box = make("div", { className: "box" }, make("span", { text: number }));
  box.style.left = `${(100 * left) / width}%`;
  box.style.top = `${(100 * top) / height}%`;
  box.style.width = `${(100 * (right - left)) / width}%`;
  box.style.height = `${(100 * (bottom - top)) / height}%`;
  return box;
}

// One face: what each network sees of it, and a table of attributes x networks.
function showFace({ views }, title) {
  const crops = views.map((view, n) => showCrop(view, networks[n]));
  const tasks = [...new Set(networks.flatMap((network) => network.tasks))];
  const likeliest = (task) => Math.max(...views.map(({ probabilities }, n) => probabilities[networks[n].tasks.indexOf(task)] ?? 0));
  if (at("ranked").checked) tasks.sort((a, b) => likeliest(b) - likeliest(a));
  const rows = tasks.map((task) => {
    const button = make("button", { type: "button", text: task.replaceAll("_", " ") });
    const row = make("tr", {}, make("th", { scope: "row" }, button), ...views.map((view, n) => showAnswer(view, n, task)));
    const said = new Set(views.map(({ present }, n) => present[networks[n].tasks.indexOf(task)]));
    said.delete(undefined); // of networks that do not know it
    row.classList.toggle("differs", said.size > 1);
    button.onclick = () => choose(row, task, crops);
    return row;
  });
  const names = networks.map(({ name }) => make("th", { scope: "col", text: name }));
  const table = make(
    "table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "attribute" }), ...names)),
    make("tbody", {}, ...rows),
  );
  const heading = title ? [make("h2", { text: title })] : [];
  const figures = make("div", { className: "crops" }, ...crops.map((crop) => crop.figure));
  return make("section", { className: "face" }, ...heading, figures, table);
}

function showCrop({ crop }, network) {
  const image = make("img", { src: picture(crop), alt: `the face as ${network.name} sees it` });
  const caption = make("figcaption", { text: network.name });
  return { figure: make("figure", {}, image, caption), image, caption, crop, network, pictures: null };
}

const picture = (base64) => `data:image/png;base64,${base64}`;

function showAnswer(view, n, task) {
  const k = networks[n].tasks.indexOf(task);
  if (k < 0) return make("td", { text: "–" });
  const words = view.words[k - networks[n].thresholds.length]; // of a task that is no question of yes or no
  if (words !== undefined) return make("td", { text: words });
  const [probability, present, threshold] = [view.probabilities[k], view.present[k], networks[n].thresholds[k]];
  const fill = make("div", { className: "fill" });
  const mark = make("div", { className: "mark" });
  fill.style.width = `${100 * probability}%`;
  mark.style.left = `${100 * threshold}%`;
  const percent = make("span", { className: "percent", text: `${(100 * probability).toFixed(0)}%` });
  const answer = make("div", { className: "answer" }, make("div", { className: "bar" }, fill, mark), percent);
  answer.classList.toggle("present", present);
  answer.title = `${present ? "present" : "absent"}: ${probability.toFixed(3)}, threshold ${threshold.toFixed(3)}`;
  return make("td", {}, answer);
}

// Shows which pixels the answers on an attribute hang on, or, at a second click, the face again.
async function choose(row, task, crops) {
  const again = row.classList.contains("chosen");
  for (const other of row.parentElement.rows) other.classList.remove("chosen");
  row.classList.toggle("chosen", !again);
  for (const crop of crops) {
    const k = crop.network.tasks.indexOf(task);
    if (again || k < 0) {
      crop.image.src = picture(crop.crop);
      crop.caption.textContent = crop.network.name;
      continue;
    }
    try {
      crop.pictures ??= askSaliency(crop); // of all attributes: the next click asks nobody
      const { pictures } = await crop.pictures;
      if (!row.classList.contains("chosen")) return; // another one was clicked meanwhile
      crop.image.src = picture(pictures[k]);
      crop.caption.textContent = `${crop.network.name}: what ${task.replaceAll("_", " ")} hangs on`;
    } catch (problem) {
      crop.pictures = null;
      return say(capital(problem), true);
    }
  }
}

function askSaliency({ crop, network }) {
  const bytes = Uint8Array.from(atob(crop), (letter) => letter.charCodeAt(0));
  return ask(`/saliency?network=${networks.indexOf(network)}`, bytes);
}

const camera = { stream: null };

async function openCamera() {
  try {
    camera.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    return say(`The camera cannot be used (${error.name}): give a photo instead.`, true);
  }
  say("");
  at("video").srcObject = camera.stream;
  at("live").hidden = false;
  at("camera").textContent = "Close the camera";
}

function closeCamera() {
  camera.stream?.getTracks().forEach((track) => track.stop());
  camera.stream = at("video").srcObject = null;
  at("live").hidden = true;
  at("camera").textContent = "Use the camera";
}

function shoot() {
  const video = at("video");
  if (!video.videoWidth) return say("The camera shows nothing yet.", true);
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  closeCamera();
  canvas.toBlob(look, "image/jpeg", 0.95);
}

at("camera").onclick = () => (camera.stream ? closeCamera() : openCamera());
at("shoot").onclick = shoot;
at("ranked").onchange = showFaces;
at("source").onsubmit = (event) => event.preventDefault();
at("aligned").onchange = () => photo && look(photo);
at("file").onchange = ({ target }) => {
  if (target.files.length) look(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
};
document.ondragover = (event) => {
  event.preventDefault(); // or the browser would leave the page for the photo
  document.body.classList.add("over");
};
document.ondragleave = () => document.body.classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) look(file);
};
begin();
