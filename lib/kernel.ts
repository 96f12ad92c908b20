/** What a notebook's kernel does for those who show things. */
export interface Kernel {
  /** Shows a value that knows how, or a bundle of media types; in the place of an earlier one of the same id. */
  display(
    value: unknown,
    options?: { readonly raw?: boolean; readonly display_id?: string; readonly update?: boolean },
  ): Promise<void>;
}

/** The notebook's kernel, where this is one: elsewhere touching it throws. */
export function jupyter(): Kernel | undefined {
  try {
    return (Deno as unknown as { jupyter: Kernel }).jupyter;
  } catch {
    return undefined;
  }
}
