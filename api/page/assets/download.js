/** A picture as a file, in the format that one likes, under a name made of its prompt. */
import { pictureBytes } from "./api.js";
import { h, say } from "./dom.js";

const FORMATS = [
  { name: "WebP", type: "image/webp", ending: "webp" },
  { name: "PNG", type: "image/png", ending: "png" },
  { name: "JPEG", type: "image/jpeg", ending: "jpg" },
];
const LONGEST_NAME = 60;
const QUALITY = 0.92;

/** The formats to choose from. */
export function downloads(assignment) {
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const buttons = FORMATS.map((format) => {
    const click = (event) => take(event.target, format);
    return h("button", { type: "button", class: "quiet", "aria-label": `${format.name}: download the picture`, click }, format.name);
  });

  async function take(button, format) {
    button.disabled = true;
    problem.hidden = true;
    try {
      const file = await converted(await pictureBytes(assignment.assignment_id), format);
      save(file, `${nameOf(assignment)}.${format.ending}`);
      say("Downloaded.");
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      button.disabled = false;
    }
  }
  return h("details", { class: "downloads" }, h("summary", {}, "Download"), h("p", { class: "formats" }, buttons), problem);
}

/** Letters and digits of any script, with dashes for all that file systems may not take. */
function nameOf({ prompt, title, assignment_id }) {
  const name = (prompt || title || "").normalize("NFC").replace(/[^\p{L}\p{M}\p{N}]+/gu, "-");
  const cut = [...name].slice(0, LONGEST_NAME).join("").replace(/^-+|-+$/g, "");
  return cut || assignment_id;
}

async function converted(blob, { name, type }) {
  if (blob.type === type) return blob;
  const bitmap = await createImageBitmap(blob);
  const canvas = h("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d");
  if (type === "image/jpeg") {
    // JPEG knows no transparency, and would show it black.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(bitmap, 0, 0);
  const made = await new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY));
  if (made?.type !== type) throw new Error(`This browser cannot write ${name}. Please choose another format.`);
  return made;
}

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}
