/**
 * Browsers open six connections to one host, for all tabs together. A stream takes one for as long as it lasts, so the tabs of a browser
 * share a few seats; a tab without a seat asks from time to time instead. Hidden tabs hold none.
 */

/** half of the connections: the others are for requests */
const SEATS_MAX = 3

/** @returns what gives the seat back; null: all are taken. Where locks are not known (plain HTTP on another host), every tab has a seat. */
export async function takeSeat(): Promise<(() => void) | null> {
  if (navigator.locks === undefined) return () => {}
  for (let seat = 0; seat < SEATS_MAX; seat++) {
    const free = await take(`watershed-stream-${seat}`)
    if (free !== null) return free
  }
  return null
}

function take(name: string): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock === null) return resolve(null)
      return new Promise<void>((free) => resolve(free))
    })
  })
}
