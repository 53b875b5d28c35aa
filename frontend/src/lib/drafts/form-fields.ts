import { sameContent } from "./reconcile";

/** Fields as they were written upon `base`, put upon what is saved now: of each field the change wins. */
export function rebased<Fields extends object>(
  fields: Fields,
  base: Fields,
  saved: Fields,
): { fields: Fields; contested: (keyof Fields)[] } {
  const names = Object.keys(saved) as (keyof Fields)[];
  const own = names.filter((name) => name in fields && !sameContent(fields[name], base[name]));
  const contested = own.filter(
    (name) => !sameContent(saved[name], base[name]) && !sameContent(saved[name], fields[name]),
  );
  return {
    fields: { ...saved, ...Object.fromEntries(own.map((name) => [name, fields[name]])) },
    contested,
  };
}
