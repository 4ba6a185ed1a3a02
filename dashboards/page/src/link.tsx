/** A link within the page: it opens without loading the page again. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { go, path } from './address.ts'

interface LinkProps {
  readonly to: string
  readonly current?: boolean
  readonly class?: string
  readonly children: ComponentChildren
}

export function Link({ to, current = false, class: name, children }: LinkProps): JSX.Element {
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    if (path.value !== to) go(to)
  }
  const place = useRef<HTMLAnchorElement>(null)
  useEffect(() => {
    if (current) place.current?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [current])
  return (
    <a ref={place} href={to} class={name} aria-current={current ? 'page' : undefined} onClick={follow}>
      {children}
    </a>
  )
}
