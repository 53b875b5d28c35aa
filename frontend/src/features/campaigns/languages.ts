/** Languages that a campaign may be in, by their tags: those most written, and those of the people who began Parley. */
export const LANGUAGES =
  "af am ar az be bg bm bn bs ca cs cy da de ee el en es et eu fa fi fil fon fr ga gl gu ha he hi hr hu hy id ig is it ja jv ka kk km kn ko ku ky ln lo lt lv mg mk ml mn mr ms my ne nl no om pa pl ps pt ro ru rw si sk sl sn so sq sr st sv sw ta te tg th ti tk tn tr ts tt ug uk ur uz vi wo xh yo zh zu".split(
    " ",
  );
