/** How every chart's tooltip looks: text only, inside the chart. */
import type { Colours } from './colours.ts'

export function tooltipLook(colours: Colours): object {
  return {
    renderMode: 'richText',
    confine: true,
    backgroundColor: colours.surface,
    borderColor: colours.line,
    textStyle: { color: colours.text, fontSize: 12 },
  }
}
