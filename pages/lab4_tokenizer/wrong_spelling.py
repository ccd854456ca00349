"""Cases in which one word, number or program is cut in several ways: spaces, digits, capitals, indentation."""

from collections import Counter

from components.white_space import visible
from engine.tokenizer import BPETokenizer, faults
from pages.lab4_tokenizer import chips
from pages.lab4_tokenizer.chips import quote
from pages.lab4_tokenizer.wrong_seen import Row, Seen

MOST_NUMBERS = 6
INDENTS = {"4 spaces": "    ", "2 spaces": "  ", "a tab": "\t"}
DRAWN = ("4 spaces", "a tab")  # two programs fit above the fold


def spaces(tokenizer: BPETokenizer, prompt: str, word: str) -> Seen:
    """A word with and without its space, and a prompt that ends in one."""
    prompt, word = prompt.rstrip(" "), word.strip(" ")
    if not prompt or not word:
        raise ValueError("this case needs a beginning and a next word; one of them is empty")
    forms = [word, f"{word} ", f" {word}"]
    good, bad = faults.boundary(tokenizer, prompt, f" {word}"), faults.boundary(tokenizer, f"{prompt} ", word)
    torn = [*bad.prompt, *bad.continuation]
    whole = prompt + " " + word
    lines = [
        [Row(quote(form), chips.of_text(tokenizer, form)) for form in forms],
        [Row("As one text, the way training saw it", chips.from_ids(tokenizer, good.together, marked=()))],
        [
            Row(
                f"The prompt {quote(prompt + ' ')} with its last space, then {quote(word)}",
                chips.from_ids(tokenizer, torn, marked=range(bad.kept, len(torn))),
            )
        ],
    ]
    one, spaced = tokenizer.encode(word), tokenizer.encode(f" {word}")
    return Seen(
        lines,
        "Row 1: three spellings of one word. Rows 2 and 3: the same characters, once as one text and once typed in two "
        "goes. Marked: tokens where row 3 leaves row 2.",
        _space_words(word, one, spaced)
        + (
            f" The prompt that ends in a space keeps {bad.kept} of its {len(bad.prompt)} tokens once the word is there"
            + (": nothing breaks here." if bad.holds else "; its lone last space is gone from the text’s own tokens.")
        ),
        "The pattern that cuts text into pieces gives the space to the word <b>after</b> it. A prompt that ends in a "
        "space has used that space up, so the model must go on with a word that has none: a row of tokens that it "
        "hardly met in training.",
        "End prompts without a space, and let the model write it: "
        + f"{quote(prompt)} then {quote(' ' + word)} gives row 2"
        + (" exactly. " if [*good.prompt, *good.continuation] == good.together else " up to the seam. ")
        + "Some programs take back the last tokens of a prompt and let the model choose them again (token healing).",
        [_entry(tokenizer, text) for text in [*forms, whole, f"{prompt} "]],
        [*forms, whole, prompt, f"{prompt} "],
    )


def _space_words(word: str, one: list[int], spaced: list[int]) -> str:
    if len(one) == len(spaced) == 1:
        return (
            f"{quote(word)} is token {one[0]:,} and {quote(' ' + word)} is token {spaced[0]:,}: two tokens, each with "
            "a vector of its own. That they are one word, the model has to learn."
        )
    shared = len(set(one) & set(spaced))
    return (
        f"{quote(word)} takes {_tokens(len(one))}, {quote(' ' + word)} takes {_tokens(len(spaced))}; they share "
        f"{_shared(shared)}."
    )


def numbers(tokenizer: BPETokenizer, written: str) -> Seen:
    """Numbers as they stand in a text, and all numbers of four digits."""
    found = [number for number in written.split() if any(sign in "0123456789" for sign in number)]
    if not found:
        raise ValueError("this case needs numbers with spaces between them, such as 1999 2000")
    problems = [f"Only the first {MOST_NUMBERS} numbers are shown."] if len(found) > MOST_NUMBERS else []
    found = found[:MOST_NUMBERS]
    rows = [Row(quote(number[:40]), chips.of_text(tokenizer, f" {number[:40]}")) for number in found]
    cuts = {number: faults.digit_groups(tokenizer, number[:40]) for number in found}
    ways = faults.digit_groupings(tokenizer, 4)
    return Seen(
        [rows[place : place + 3] for place in range(0, len(rows), 3)],
        "Each number as it stands after a space, with the digits of each token. Bars: how all 9,000 numbers of four "
        "digits are cut; 1 + 3 is one digit, then three.",
        _number_words(cuts, ways),
        "Merges follow how often digits stood side by side, and know nothing of tens and hundreds. To add 1999 and 2 a "
        "model needs the ones under the ones; in a different cut each digit’s place has to be learned token by token.",
        "Cut numbers by rule before the merges: each digit alone, or groups of three from the right, as people write "
        "1,234,567. Changing only the direction of the groups changes how well a model adds (Singh and Strouse 2024).",
        [_entry(tokenizer, f" {number}") for number in found],
        [f" {number[:40]}" for number in found],
        below=_bars(ways),
        problems=problems,
    )


def _number_words(cuts: dict[str, tuple[int, ...]], ways: Counter[tuple[int, ...]]) -> str:
    said = ", ".join(f"{quote(number[:40])} is {_cut(cut)}" for number, cut in cuts.items()) + _in_threes(cuts)
    (common, n_common), *_ = ways.most_common(1)
    ends = Counter(cut[-1] for cut in ways.elements())
    if len(ways) == 1:
        return f"{said}. All numbers of four digits are cut alike here, {_cut(common)}: places line up."
    spread = ", ".join(f"{_digits(size)} in {_percent(count / 9000)}" for size, count in sorted(ends.items()))
    return (
        f"{said}. Numbers of four digits are cut in {len(ways)} ways; the most common, {_cut(common)}, has "
        f"{_percent(n_common / 9000)}. So a last token holds {spread} of them: the ones digit stands in a "
        "different kind of token from one number to the next."
    )


def _in_threes(cuts: dict[str, tuple[int, ...]]) -> str:
    """How people would group the first number that is cut otherwise."""
    for number, cut in cuts.items():
        first = sum(cut) % 3
        threes = (*((first,) if first else ()), *([3] * (sum(cut) // 3)))
        if len(cut) > 1 and cut != threes:
            return f" (in threes from the right, {quote(number[:40])} would be {_cut(threes)})"
    return ""


def _cut(cut: tuple[int, ...]) -> str:
    return "one token" if len(cut) == 1 else " + ".join(map(str, cut))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"


def _digits(count: int) -> str:
    return f"{count} digit{'' if count == 1 else 's'}"


def _bars(ways: Counter[tuple[int, ...]]) -> str:
    most = max(ways.values())
    bars = "".join(
        f"<span class='labs-bar-name'>{_cut(way)}</span>"
        f"<span class='labs-bar' style='--share: {count / most:.1%}'></span><span>{count:,}</span>"
        for way, count in ways.most_common(8)
    )
    title = "<p class='labs-bars-title'><b>Numbers from 1000 to 9999</b></p>"
    return f"{title}<div class='labs-bars labs-numbers'>{bars}</div>"


def capitals(tokenizer: BPETokenizer, word: str) -> Seen:
    """One word in three ways to write it, at the start of a text and within it."""
    word = word.strip()
    if not word:
        raise ValueError("this case needs a word, and the field is empty")
    forms = list(dict.fromkeys([word.lower(), word[:1].upper() + word[1:].lower(), word.upper()]))
    within = [f" {form}" for form in forms]
    sizes = {form: len(tokenizer.encode(form)) for form in [*forms, *within]}
    if len(forms) == 1:
        raise ValueError(f"this case needs a word with small and capital letters, and {word[:40]!r} has one form only")
    first = set(tokenizer.encode(within[0]))
    shared = len(first & set(tokenizer.encode(within[-1])))
    return Seen(
        [[Row(quote(form), chips.of_text(tokenizer, form)) for form in line] for line in (forms, within)],
        "The same word in small letters, with a capital, and in capitals; in the second row after a space.",
        f"{quote(within[0])} takes {_tokens(sizes[within[0]])}, {quote(within[-1])} takes "
        f"{_tokens(sizes[within[-1]])}, and they share {_shared(shared)}. The {len(sizes)} spellings of this one word "
        f"cost from {min(sizes.values())} to {_tokens(max(sizes.values()))}.",
        "To bytes a small letter and its capital are two different things (a is 97, A is 65), so merges are learned "
        "for each on its own. Capitals are rarer in texts; they get fewer merges and longer rows of tokens.",
        "Train on text that has them; or fold everything to small letters first, as BERT’s uncased model does, and "
        "lose the difference between us and US. Byte-level tokenizers keep the case and let the model learn it.",
        [_entry(tokenizer, form) for form in [*forms, *within]],
        [*forms, *within],
    )


def indentation(tokenizer: BPETokenizer, program: str) -> Seen:
    """The same program indented in three ways."""
    if not program.strip():
        raise ValueError("this case needs a few lines of code, and the field is empty")
    written = {name: reindent(program, indent) for name, indent in INDENTS.items()}
    rows, sizes, whites = [], {}, {}
    for name, text in written.items():
        tokens = tokenizer.tokens(text)
        white = [place for place, token in enumerate(tokens) if not token.bytes.strip()]
        if name in DRAWN:
            rows.append(Row(f"Indented by {name}", chips.from_ids(tokenizer, [t.id for t in tokens], marked=white)))
        sizes[name], whites[name] = len(tokens), len(white)
    most, least = max(sizes, key=sizes.get), min(sizes, key=sizes.get)
    four = "4 spaces"
    unindented = ": nothing here is indented" if len(set(written.values())) == 1 else ""
    return Seen(
        [[row] for row in rows],
        "Twice the same program. Marked: tokens of white space alone. A · is a space, → a tab, ⏎ a line end.",
        f"With {four} {whites[four]} of {sizes[four]} tokens are nothing but white space, "
        f"{whites[four] / sizes[four]:.0%}. "
        + (
            f"By {', by '.join(f'{name} {size}' for name, size in sizes.items())} tokens: the same meaning, by {most} "
            f"{sizes[most] / sizes[least] - 1:.0%} more to read than by {least}."
            if sizes[most] > sizes[least]
            else f"By 2 spaces or a tab it takes as many{unindented}."
        ),
        "GPT-2’s pattern cuts a run of spaces before its last one, which goes with the word that follows. The rest of "
        "the run becomes one token only where training met enough indented code; else each space costs a token.",
        "Train on code, as “Train it” lets you; or add tokens for runs of spaces: that alone made the programs of "
        "Codex about 30% shorter (Chen et al. 2021). GPT-4’s pattern also keeps line ends with the signs before them.",
        [{"indented by": name, "tokens": sizes[name], "white space": whites[name]} for name in written],
        list(written.values()),
    )


def reindent(program: str, indent: str) -> str:
    """The program with each level of its indentation (four spaces, or a tab) written as `indent`."""
    lines = []
    for line in program.splitlines():
        body = line.lstrip(" \t")
        levels = len(line[: len(line) - len(body)].expandtabs(4)) // 4
        lines.append(indent * levels + body)
    return "\n".join(lines)


def _shared(count: int) -> str:
    return _tokens(count) if count else "no token"


def _tokens(count: int) -> str:
    return f"{count} token{'' if count == 1 else 's'}"


def _entry(tokenizer: BPETokenizer, text: str) -> dict:
    tokens = tokenizer.tokens(text)
    cut = " | ".join(visible(token.bytes.decode("utf-8", "backslashreplace")) for token in tokens)
    return {"text": visible(text), "tokens": len(tokens), "cut": cut, "ids": str([t.id for t in tokens])}
