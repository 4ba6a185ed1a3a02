/** The frame draws what changed; a task after it begins when it is on its way to the screen. Hidden tabs have no frames. */
export function afterPaint(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
}
