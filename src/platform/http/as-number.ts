import { Transform } from 'class-transformer';

/** A number in a query string comes as text; what is none stays as it is, for the validation to refuse. */
export const asNumber = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
);
