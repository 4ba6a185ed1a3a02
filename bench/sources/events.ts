/** that one round reads */
export const EVENTS = 30_000
