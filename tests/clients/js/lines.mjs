// What the clients in JavaScript share: they do what each line of standard input says, and answer with a line.
//
// A line in is `["operation", "argument", …]`; a line out is `{"ok": …}`, `{"error": "…"}`, or `{"absent": true}` for what
// the client does not offer.

import { createInterface } from "node:readline";

export async function obey(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...words] = JSON.parse(line);
    let answer = { absent: true };
    if (name in operations) {
      try {
        answer = { ok: (await operations[name](...words)) ?? null };
      } catch (error) {
        answer = { error: `${error.name}: ${error.message} ${error.$metadata?.httpStatusCode ?? ""}` };
      }
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
