/** How the second receiver behaves. */
export type DeadEndpoint = 'answers' | 'hangs' | 'refuses';

/** `awaits`: forgets what came before, and answers when that many events have come. */
export type ReceiverCommand = { readonly awaits: number } | { readonly dead: DeadEndpoint };

export type ReceiverAnswer =
  /** Milliseconds from the end of each job to the arrival of its event. */
  { readonly ages: readonly number[] } | { readonly deadUrl: string };
