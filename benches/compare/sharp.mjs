// Reads orders as lines of JSON, makes each picture with sharp, and prints the processor time in ms.
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

for await (const line of createInterface({ input: process.stdin })) {
  const { input, output, effort, quality, longest } = JSON.parse(line);
  const png = await readFile(input);
  const start = process.cpuUsage();
  const webp = await sharp(png)
    .resize(longest, longest, { fit: "inside", withoutEnlargement: true })
    .webp({ quality, effort })
    .toBuffer();
  const { user, system } = process.cpuUsage(start);
  await writeFile(output, webp);
  console.log(((user + system) / 1000).toFixed(2));
}
