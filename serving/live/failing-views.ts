/** Views that could not be answered when they were last asked for, because files of the lake are damaged or missing. */
import { LakeError } from '#storage/lake/lake-error.ts'

export class FailingViews {
  readonly #why = new Map<string, string>()

  /** What was wrong, by name of the view, until the view is answered again. */
  get why(): ReadonlyMap<string, string> {
    return this.#why
  }

  /** Notes how an answer of the views ends. @throws as the work */
  async watch<T>(views: readonly string[], work: () => Promise<T>): Promise<T> {
    try {
      const done = await work()
      for (const view of views) this.#why.delete(view)
      return done
    } catch (error) {
      // What lies with the query, with its time limit or with the whole dataset is told elsewhere. Of several views it is not known whose files these are.
      if (error instanceof LakeError && views.length === 1) this.#why.set(views[0]!, error.message)
      throw error
    }
  }
}
