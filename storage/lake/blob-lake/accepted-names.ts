/** The names in a folder that are of a kind. Listings are frequent and long, so that a name is looked at once, as long as it stays. */
export class AcceptedNames {
  readonly #accepts: (name: string) => boolean
  /** of the last listing: all names, and whether they are of the kind */
  #known: ReadonlyMap<string, boolean> = new Map()
  #listing = { version: 0, names: [] as readonly string[] }

  constructor(accepts: (name: string) => boolean) {
    this.#accepts = accepts
  }

  /** Those of the last listing; `version` changes when they change. */
  get listing(): { readonly version: number; readonly names: readonly string[] } {
    return this.#listing
  }

  /** @param all that a listing has, in any order */
  take(all: readonly string[]): void {
    const before = this.#known
    const known = new Map(all.map((name) => [name, before.get(name) ?? this.#accepts(name)]))
    this.#known = known
    const names = all.filter((name) => known.get(name))
    if (names.length === this.#listing.names.length && names.every((name) => before.has(name))) return
    this.#listing = { version: this.#listing.version + 1, names }
  }
}
