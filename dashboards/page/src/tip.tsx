/** What is said of a number that is pointed at or focused: one box for the whole page, which is never larger than what it says. */
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

/** as an attribute of the element that it is about */
export const TIP = 'data-tip'
const ID = 'tip'
/** a pointer that only passes shows nothing */
const HOVER_MS = 120
const GAP = 8

interface Shown {
  readonly target: HTMLElement
  readonly text: string
}

export function Tip(): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const shown = useTarget()
  useLayoutEffect(() => {
    if (shown !== null) place(box.current!, shown.target)
  }, [shown])
  return (
    <div id={ID} role="tooltip" class="tip" ref={box} hidden={shown === null}>
      {shown?.text}
    </div>
  )
}

function useTarget(): Shown | null {
  const [shown, show] = useState<Shown | null>(null)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let target: HTMLElement | null = null
    const tell = (): void => show(target === null ? null : { target, text: target.getAttribute(TIP) ?? '' })
    // What it says changes with the numbers.
    const watch = new MutationObserver(tell)
    const turnTo = (next: HTMLElement | null, afterMs: number): void => {
      clearTimeout(timer)
      if (next === target) return
      timer = setTimeout(() => {
        target?.removeAttribute('aria-describedby')
        watch.disconnect()
        target = next
        if (target !== null) watch.observe(target, { attributeFilter: [TIP] })
        target?.setAttribute('aria-describedby', ID)
        tell()
      }, afterMs)
    }
    const of = ({ target: element }: Event): HTMLElement | null =>
      element instanceof Element ? element.closest<HTMLElement>(`[${TIP}]`) : null
    const over = new AbortController()
    const on = (name: string, listener: (event: Event) => void): void =>
      document.addEventListener(name, listener, { signal: over.signal, capture: true, passive: true })
    on('pointerover', (event) => turnTo(of(event), HOVER_MS))
    on('focusin', (event) => of(event)?.matches(':focus-visible') && turnTo(of(event), 0))
    for (const name of ['focusout', 'scroll', 'pointerdown']) on(name, () => turnTo(null, 0))
    on('keydown', (event) => (event as KeyboardEvent).key === 'Escape' && turnTo(null, 0))
    return () => {
      over.abort()
      watch.disconnect()
    }
  }, [])
  return shown
}

/** Shows the box below its anchor, or above if there is no room below, and never outside the window. */
function place(box: HTMLElement, target: HTMLElement): void {
  const [about, own] = [target.getBoundingClientRect(), box.getBoundingClientRect()]
  const below = about.bottom + GAP
  const top = below + own.height > innerHeight ? about.top - GAP - own.height : below
  const left = Math.min(about.left, document.documentElement.clientWidth - own.width - GAP)
  Object.assign(box.style, { top: `${Math.max(GAP, top)}px`, left: `${Math.max(GAP, left)}px` })
}
