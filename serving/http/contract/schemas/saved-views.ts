/** Saved views of the live page. */
import { z } from 'zod'
import { NAME_CHARS_MAX, PARAMETERS_CHARS_MAX } from '#storage/saved-views/saved-view-ledger.ts'

const NAME = z.string().trim().min(1).max(NAME_CHARS_MAX).describe('What people call it')
const PARAMETERS = z
  .string()
  .max(PARAMETERS_CHARS_MAX)
  .describe("Parameters of the page's address, for example `f.country=us&range=24h`")

export const SAVED_VIEW = z.strictObject({
  id: z.string(),
  name: NAME,
  parameters: PARAMETERS,
  savedAt: z.string().describe('When it was saved or changed, ISO 8601'),
  link: z.string().describe('Path of the page that shows it'),
})
export const SAVED_VIEWS = z.strictObject({ dataset: z.string(), savedViews: z.array(SAVED_VIEW) })
export const NEW_SAVED_VIEW = z.strictObject({ name: NAME, parameters: PARAMETERS })
export const CHANGED_SAVED_VIEW = NEW_SAVED_VIEW.partial()
export const REMOVED_SAVED_VIEW = z.strictObject({ id: z.string() })
