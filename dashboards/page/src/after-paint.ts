/** The first frame draws what changed; the second one begins when it is on the screen. Hidden tabs have none. */
export function afterPaint(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))
}
