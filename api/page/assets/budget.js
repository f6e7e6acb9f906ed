/** What is left of today's budget, in words. */
import { budget } from "./api.js";

/** Shows it in `place`; hides that where there is no budget. Nobody is kept from working by a budget that cannot be read. */
export async function showBudget(place, teacher) {
  try {
    const { words, pictures_left } = await budget(teacher);
    place.textContent = words ?? "";
    place.hidden = !words;
    place.classList.toggle("used-up", pictures_left === 0);
  } catch {
    place.hidden = true;
  }
}
