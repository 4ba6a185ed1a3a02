/** What all charts have in common. */
import type { Colours } from './colours.ts'

/** Text only, inside the chart. */
export function tooltipLook(colours: Colours): object {
  return {
    renderMode: 'richText',
    confine: true,
    backgroundColor: colours.surface,
    borderColor: colours.line,
    textStyle: { color: colours.text, fontFamily: colours.font, fontSize: 12 },
  }
}

/** In one line, which is scrolled where it is longer than the chart. */
export function legendLook(colours: Colours): object {
  return {
    ...{ type: 'scroll', top: 0, left: 0, right: 0 },
    // What is scrolled is cut off at the height of its lines.
    textStyle: { color: colours.text, fontFamily: colours.font, lineHeight: 18 },
    ...{ pageIconColor: colours.faint, pageIconInactiveColor: colours.line, pageIconSize: 10 },
    pageTextStyle: { color: colours.faint, fontFamily: colours.font },
  }
}
