/** Views whose last query failed because files of the lake are damaged or missing. */
import { LakeError } from '#storage/lake/lake-error.ts'

export class FailingViews {
  readonly #why = new Map<string, string>()

  /** Error message by view name, until a query of the view succeeds. */
  get why(): ReadonlyMap<string, string> {
    return this.#why
  }

  /** Records whether a query of these views fails. @throws as the work */
  async watch<T>(views: readonly string[], work: () => Promise<T>): Promise<T> {
    try {
      const done = await work()
      for (const view of views) this.#why.delete(view)
      return done
    } catch (error) {
      // Other errors are reported elsewhere. If a query joins several views, the damaged one is unknown.
      if (error instanceof LakeError && views.length === 1) this.#why.set(views[0]!, error.message)
      throw error
    }
  }
}
