// Waiting for a state: polled, with a deadline.

const DEADLINE_MS = 30_000;

/** Asks until the answer is true, and gives that. */
export async function poll(what, look) {
  const deadline = Date.now() + DEADLINE_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited ${DEADLINE_MS} ms in vain for ${what}`);
}
