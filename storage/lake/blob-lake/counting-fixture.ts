/** For tests: how often the members of a list are looked at. */
export function counting<One>(list: readonly One[]): { readonly counted: readonly One[]; looks(): number } {
  let looks = 0
  const counted = new Proxy(list, {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) looks++
      return Reflect.get(target, key, receiver)
    },
  })
  return { counted, looks: () => looks }
}
