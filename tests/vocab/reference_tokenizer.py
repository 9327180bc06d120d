"""BERT's tokenisation, slow and plain, from its published description: what `Vocabulary.encode` must agree with.

Devlin et al. 2018 and the comments of google-research/bert, tokenization.py: (1) leave out NUL, U+FFFD and control characters
(categories Cc and Cf) other than tab, newline and carriage return, make white space (those and category Zs) a space; (2) put
spaces around ideographs; (3) split at white space; (4) uncased: lower-case each word, decompose it, leave out marks of category
Mn; (5) every ASCII symbol and every character of a category P is a word of its own; (6) split at white space again; (7) cut each
word into the longest tokens from its beginning, "##" before all but the first, [UNK] where that fails or for more than 200
characters.
"""

from functools import cache
from unicodedata import category as _category
from unicodedata import normalize

category = cache(_category)

IDEOGRAPHS = {
    *map(chr, range(0x4E00, 0x9FFF + 1)),
    *map(chr, range(0x3400, 0x4DBF + 1)),
    *map(chr, range(0x20000, 0x2A6DF + 1)),
    *map(chr, range(0x2A700, 0x2B73F + 1)),
    *map(chr, range(0x2B740, 0x2B81F + 1)),
    *map(chr, range(0x2B820, 0x2CEAF + 1)),
    *map(chr, range(0xF900, 0xFAFF + 1)),
    *map(chr, range(0x2F800, 0x2FA1F + 1)),
}
ASCII_SYMBOLS = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def reference_words(text, lowercase):
    cleaned = []
    for character in text:
        if character in "\t\n\r" or category(character) == "Zs":
            cleaned.append(" ")
        elif character != "\ufffd" and category(character) not in ("Cc", "Cf"):
            cleaned.append(f" {character} " if character in IDEOGRAPHS else character)
    pieces = []
    for word in "".join(cleaned).split():
        if lowercase:
            decomposed = normalize("NFD", word.lower())
            word = "".join(character for character in decomposed if category(character) != "Mn")
        pieces.append(" ")
        for character in word:
            alone = character in ASCII_SYMBOLS or category(character)[0] == "P"
            pieces.append(f" {character} " if alone else character)
    return "".join(pieces).split()


class ReferenceTokenizer:
    def __init__(self, tokens, lowercase):
        self.ids = {token: number for number, token in enumerate(tokens)}
        self.lowercase = lowercase

    def encode(self, line):
        return [number for word in reference_words(line, self.lowercase) for number in self.cut(word)]

    def cut(self, word):
        if len(word) > 200:
            return [self.ids["[UNK]"]]
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                token = ("##" if start else "") + word[start:end]
                if token in self.ids:
                    break
            else:
                return [self.ids["[UNK]"]]
            found.append(self.ids[token])
            start = end
        return found
