#!/usr/bin/env python3
"""Makes tests/golden/tokenizer: the vocabulary of Qwen3 in a compact form, and texts with their ids.

Run it in an environment with requirements.txt:  make_tokenizer_cases.py TOKENIZER.JSON OUT_DIR

merges.bin       the merges in their order, each as two token ids of three bytes, the low byte first. The base
                 vocabulary follows from them: the 256 bytes in the order of their characters, then what each merge
                 makes, so that merge i makes token 256 + i. With added_tokens.json this is the whole tokenizer.json:
                 what the library writes for it has the size and the CRC-32C in added_tokens.json.
cases.jsonl      500 texts in 26 languages, code, emoji, white space, marks and special tokens, each with the ids that
                 the Rust library `tokenizers` gives. The texts were written for this project.
"""

import json
import pathlib
import random
import struct
import sys
import unicodedata

import tokenizers

LANGUAGES = {
    "english": ["The quick brown fox doesn't jump over lazy dogs, it walks.", "How many people are waiting at the bus stop?",
                "Read the sign above the door and tell me what it says."],
    "chinese": ["请描述这张图片里的人物、动作和背景。", "左上角的招牌上写着什么字？我看不清楚。", "这段视频大约在第三秒出现了一辆红色的汽车。"],
    "taiwanese": ["請問這張照片是在哪裡拍攝的呢？", "畫面中央有一隻黑貓，正跳過圍牆。", "把表格裡的數字全部加起來。"],
    "japanese": ["写真に写っている看板の文字を読んでください。", "カタカナとひらがなと漢字が混ざった文章です。", "右側の男性は帽子をかぶっていますか？"],
    "korean": ["이 사진에 있는 고양이는 몇 마리입니까?", "표지판에 적힌 글자를 읽어 주세요.", "동영상의 마지막 장면을 설명해 줘."],
    "arabic": ["كم عدد الأشخاص في الصورة؟", "اقرأ النص المكتوب على اللافتة الخضراء.", "السَّيَّارَةُ تَقِفُ أَمَامَ البَيْتِ."],
    "hebrew": ["מה כתוב על השלט בצד שמאל?", "יש שני חתולים על הגג.", "בְּרֵאשִׁית בָּרָא אֱלֹהִים."],
    "persian": ["در این تصویر چند نفر دیده می‌شوند؟", "کتاب‌ها روی میز هستند.", "متن روی تابلو را بخوان."],
    "hindi": ["इस चित्र में कितने लोग हैं?", "बोर्ड पर लिखा हुआ पढ़कर बताइए।", "क्षेत्रफल की गणना कीजिए।"],
    "bengali": ["ছবিতে কয়টি বিড়াল আছে?", "দেয়ালে কী লেখা আছে তা পড়ুন।", "আকাশ আজ খুব পরিষ্কার।"],
    "tamil": ["இந்தப் படத்தில் எத்தனை பேர் உள்ளனர்?", "பலகையில் என்ன எழுதப்பட்டுள்ளது?", "வானம் நீலமாக இருக்கிறது."],
    "thai": ["ในภาพนี้มีแมวกี่ตัว", "ช่วยอ่านข้อความบนป้ายให้หน่อย", "รถสีแดงจอดอยู่หน้าบ้าน"],
    "vietnamese": ["Trong ảnh có bao nhiêu người đang đứng?", "Hãy đọc dòng chữ trên tấm biển.", "Thời tiết hôm nay thật đẹp."],
    "russian": ["Сколько человек изображено на фотографии?", "Прочитай надпись на вывеске слева.", "Красная машина стоит перед домом."],
    "ukrainian": ["Що написано на вивісці ліворуч?", "Її кіт сидить на під’їзді.", "Скільки яблук на столі?"],
    "greek": ["Πόσοι άνθρωποι φαίνονται στη φωτογραφία;", "Διάβασε την πινακίδα.", "Ἐν ἀρχῇ ἦν ὁ λόγος."],
    "german": ["Wie viele Menschen sind auf dem Foto zu sehen?", "Lies bitte das Straßenschild über der Tür vor.",
               "Donaudampfschifffahrtsgesellschaftskapitän"],
    "french": ["Combien de personnes y a-t-il sur l'image ?", "Lis ce qui est écrit sur l'enseigne, s'il te plaît.",
               "Où est passé le garçon à l'œil bleu ?"],
    "spanish": ["¿Cuántas personas hay en la fotografía?", "¡Léeme el cartel de la izquierda!", "El niño comió piñones."],
    "portuguese": ["Quantas pessoas aparecem na imagem?", "Leia a placa à esquerda, não a da direita.", "Coração, pão e maçã."],
    "turkish": ["Fotoğrafta kaç kişi görünüyor?", "Soldaki tabelada ne yazıyor?", "Iğdır'da ılık bir İlkbahar."],
    "polish": ["Ile osób widać na zdjęciu?", "Przeczytaj napis na tablicy.", "Zażółć gęślą jaźń."],
    "czech": ["Kolik lidí je na obrázku?", "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Přečti nápis nad dveřmi."],
    "finnish": ["Kuinka monta ihmistä kuvassa on?", "Lue kyltin teksti ääneen.", "Hääyöaie järjestelmällistyttämättömyydellänsäkään"],
    "swahili": ["Kuna watu wangapi kwenye picha?", "Soma maandishi kwenye bango.", "Gari jekundu liko mbele ya nyumba."],
    "georgian": ["რამდენი ადამიანია სურათზე?", "წაიკითხე წარწერა.", "Ամպամած երկինք։ ሰላም ለዓለም።"],
}
CODE = [
    "def area(w: int, h: int) -> int:\n    return w * h\n", "for (int i = 0; i < n; ++i) sum += x[i] * y[i];\n",
    "#include <vector>\nstd::vector<float> v(1024, 0.5f);\n", "SELECT id, label FROM boxes WHERE score >= 0.75 ORDER BY id;\n",
    "{\"bbox_2d\": [12, 34, 560, 789], \"label\": \"cat\"}", "\tif err != nil {\n\t\treturn nil, err\n\t}\n",
    "<div class=\"row\"><a href='/x?y=1&amp;z=2'>link</a></div>", "\\frac{\\partial L}{\\partial w_{ij}} = \\sum_k x_k^2",
    "curl -sSL https://example.org/a/b?c=d#e | tar -xzf - --strip-components=1", "let mut v: Vec<u8> = b\"\\x00\\xff\".to_vec();",
    "0x7fff_ffff == 2147483647 && 1e-9 < 3.14159", "a=b;c+=d<<2|e>>>3^~f;//!?!?", "CamelCaseIdentifier_with_snake_case42",
    "@media (max-width:600px){.a>b~c{margin:-1px auto!important}}", "x = y if z else 'it''s' # don't, WE'LL, I'Ve\r\n",
]
EMOJI = ["👍🏽", "👩‍👩‍👧‍👦", "🇩🇪🇯🇵", "❤️‍🔥", "🙂🙃", "🧑🏿‍🚀", "☎️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🤷🏻‍♀️", "✅❌", "1️⃣2️⃣", "🫠"]
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", " \t ", "\u00a0", "\u3000", "\u2003\u2009", "\u0085", "\u000b", "\u000c",
          "\u2028", "\u200b", "\ufeff", "        ", "\n\n\n\n", " \r ", "\u1680", "\u202f", "\u205f", "\u180e", "\x1c", "\x1f", "\0"]
MARKS = ["e\u0301", "a\u0323\u0302", "\u1100\u1161\u11a8", "\u1112\u1161\u11ab\uae00", "o\u0308\u0304", "\u212b", "\u2126m", "\uf900\ufa10", "q\u0307\u0323",
         "\u0344", "\u0958", "\u0b47\u0b57", "\u0301", "n\u0303", "\ud55c\u11a7", "\u0dd9\u0dcf\u0dca", "\u2adc", "\u1e9b\u0323", "\u017f",
         "\U0001d15e", "\U0002f800", "\u0f71\u0f72\u0f74", "c\u0327\u030c", "'\u017f", "\u212a", "\u0149", "\ufb01",
         # the marks and letters that are new in one part of the reference and unknown in another
         "q\u0345\u0eba", "\u20d3\u1ac2", "\U00011935\U00011930", "\U00010d4a\U00010d40", "x\U00031350"]
PUNCTUATION = ["...", "?!", "—", "“quoted”", "(a)", "[b]", "{c}", "~~~", "***", "$5.00", "50%", "#1", "@you", "&", "<|", "|>", "’s", "'s", "'S", "'LL", "'re",
               "``", "، ", "。」", "！？", "·", "…", "§3", "№7", "½", "x²", "Ⅷ", "٣٤٥", "१२३", "①②", "一二", "𝟘𝟙", "1,234,567.89", "2026-11-25", "007"]


def special_tokens(definition):
    return [token["content"] for token in definition["added_tokens"]]


def make_texts(definition):
    """500 texts: every part by itself, then parts drawn and joined."""
    specials = special_tokens(definition)
    sentences = [text for texts in LANGUAGES.values() for text in texts]
    texts = sentences + CODE + EMOJI + SPACES[1:] + MARKS + specials
    texts += ["a" * 200, "ab" * 90, "é" * 70, "猫" * 80, " " * 130, "\n" * 65, "!" * 129, "1" * 40, "x" + " " * 63 + "y", "z" * 63, "z" * 64, "z" * 65,
              "<|im_start|", "<|im_end|>" * 3, "<<|im_start|>>", "<think>\n\n</think>\n\n", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"]
    draw = random.Random(20251125)
    pools = [sentences, sentences, CODE, EMOJI, SPACES, SPACES, MARKS, PUNCTUATION, PUNCTUATION, specials]
    seen = set(texts)
    assert len(seen) == len(texts)
    while len(texts) < 500:
        kind = draw.random()
        if kind < 0.6:  # parts of all kinds
            text = "".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(2, 7)))
        elif kind < 0.75:  # characters of all kinds
            text = "".join(draw.choice(draw.choice(draw.choice(pools))) for _ in range(draw.randint(3, 40)))
        elif kind < 0.9:  # words without spaces or with several
            words = [draw.choice(draw.choice(sentences).split()) for _ in range(draw.randint(2, 8))]
            text = draw.choice(["", "  ", "\n", "-", "'", "\t", "_"]).join(words)
        else:  # decomposed
            text = unicodedata.normalize("NFD", " ".join(draw.choice(sentences) for _ in range(2)))
        if text not in seen:
            seen.add(text)
            texts.append(text)
    return texts


def crc32c(data):
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def write_vocabulary(source, definition, out):
    ids, merges = definition["model"]["vocab"], definition["model"]["merges"]
    assert list(ids.values()) == list(range(256 + len(merges)))
    assert all(ids[left + right] == 256 + rank for rank, (left, right) in enumerate(merges))
    packed = b"".join(struct.pack("<I", ids[half])[:3] for merge in merges for half in merge)
    (out / "merges.bin").write_bytes(packed)
    about = {"bytes": len(source), "crc32c": crc32c(source), "added_tokens": definition["added_tokens"]}
    (out / "added_tokens.json").write_text(json.dumps(about, indent=0) + "\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])
    definition = json.loads(source)
    out.mkdir(parents=True, exist_ok=True)
    write_vocabulary(source, definition, out)
    tokenizer = tokenizers.Tokenizer.from_str(source.decode())
    with open(out / "cases.jsonl", "w", encoding="ascii") as file:
        for text in make_texts(definition):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            file.write(json.dumps({"text": text, "ids": ids}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
