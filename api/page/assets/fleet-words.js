/** How figures of the fleet are written. */
import { duration } from "./dom.js";

export const dollars = (value) => value.toLocaleString("en-US", { style: "currency", currency: "USD", minimumFractionDigits: value < 100 ? 2 : 0, maximumFractionDigits: value < 1 ? 4 : value < 100 ? 2 : 0 });
export const roundDollars = (value) => (value < 1000 ? dollars(value) : value.toLocaleString("en-US", { style: "currency", currency: "USD", notation: "compact" }));
export const whole = (value) => Math.round(value).toLocaleString();
export const seconds = (value) => (value < 1 ? `${Math.round(value * 1000)} ms` : value < 90 ? `${Number(value.toPrecision(2))} s` : duration(value));
export const many = (count, one, more = `${one}s`) => `${whole(count)} ${count === 1 ? one : more}`;
export const add = (things, count) => things.reduce((total, each) => total + count(each), 0);
