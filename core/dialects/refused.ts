/** Thrown inside of a translation for what the other engine cannot compute to the same value. Its message is a sentence for users. */
export class Refused extends Error {}
