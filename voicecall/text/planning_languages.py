"""How planning begins in languages other than English, as data for `planning`.

A row has four patterns: `about_user` says what the user or caller does, which is said of a person and not to one;
`intent` says what the reply is to be like; `may` is what the speaker will say or ask, which is planning only among
planning; `you` is the way to address the listener: a sentence that has it is speech. The words of a column are
separated by commas, and may be patterns.
"""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["LANGUAGES", "Language"]


@dataclass(frozen=True, slots=True)
class Language:
    """Matched from the beginning of a sentence, but `you`, which is searched, and with regard to case."""

    about_user: re.Pattern[str]
    intent: re.Pattern[str]
    may: re.Pattern[str]
    you: re.Pattern[str]


def _any(words: str) -> str:
    """A pattern of the words that are separated by commas; apostrophes of both kinds are the same."""
    listed = (" ".join(word.split()) for word in words.split(",") if word.strip())
    return (
        "(?:"
        + "|".join(word.replace(".*", r".{0,60}").replace(" ", r"\s+").replace("'", "['\u2019]") for word in listed)
        + ")"
    )


_LEADS: Final = rf"""[\W_]*(?:{
    _any(
        "ok, okay, oké, hm+, also, gut, alles klar, nun, zuerst, so, alors, bon, bien, donc, d'accord, d'abord, "
        "vale, bueno,"
        "entonces, primero, allora, bene, dunque, prima, então, bem, certo, primeiro, goed, dus, eerst"
    )
}\b[\s,.:!…-]*)*"""
_EASTERN_LEADS: Final = r"[\W_]*(?:(?:ok|okay|はい|なるほど|さて|えっと|では|まず|好的?|嗯+|那么|首先)[\W_]*)*"
_CLAUSE: Final = "[^。\uff01\uff1f]{0,60}"


def _western(
    *, user: str, does: str, between: str, must: str, answer: str, manner: str, speak: str, reply: str, you: str
) -> Language:
    """`user` [`between`] `does`; `must` … `answer` with a `manner`; `must` … `user`; `reply`; `must` … `speak`."""

    def pattern(text: str) -> re.Pattern[str]:
        return re.compile(_LEADS + text, re.IGNORECASE | re.DOTALL)

    who, modal = _any(user), _any(must)
    briefly = rf"(?=.{{0,160}}\b{_any(manner)}).{{0,160}}\b{_any(answer)}\b"
    return Language(
        about_user=pattern(rf"{who}\s+(?:{_any(between)}\s+)*{_any(does)}\b"),
        intent=pattern(rf"(?:{modal}\b(?:{briefly}|.{{0,160}}\b{who}\b)|{_any(reply)}\b)"),
        may=pattern(rf"{modal}\b(?:\s+\S+){{0,4}}?\s+{_any(f'{answer},{speak}')}\b"),
        you=re.compile(you),
    )


def _eastern(*, about_user: str, intent: str, may: str, you: str) -> Language:
    def pattern(text: str) -> re.Pattern[str]:
        return re.compile(_EASTERN_LEADS + text.replace("…", _CLAUSE), re.IGNORECASE)

    return Language(about_user=pattern(about_user), intent=pattern(intent), may=pattern(may), you=re.compile(you))


LANGUAGES: Final = {
    "de": _western(
        user="der nutzer, die nutzerin, der benutzer, die benutzerin, der user, der anrufer, die anruferin, "
        "unser nutzer",
        between="hat, ist, scheint, jetzt, nun, also, mich, uns, gerade, wohl, nach, um",
        does="möchte, will, wünscht, fragt, fragte, bittet, sagt, sagte, erkundigt, grüßt, begrüßt, erwähnt, "
        "bedankt, bestätigt,"
        r"würde gern, sucht, hat .* gefragt, hat .* gesagt, hat .* gebeten, hat .* erwähnt",
        must="ich sollte, ich soll, ich muss, ich müsste, ich werde, ich möchte, ich kann, wir sollten, "
        "wir müssen, wir werden",
        answer=r"antwort\w*, beantwort\w*, reagier\w*, begrüß\w*, grüßen, erwider\w*",
        manner="kurz, knapp, höflich, freundlich, prägnant, natürlich, einfach, in einem satz, auf deutsch",
        speak="sagen, fragen, nennen, geben, erklären, bestätigen, mitteilen, bleiben, erwähnen",
        reply="die antwort sollte, die antwort muss, meine antwort sollte, meine antwort muss, antworte kurz, "
        "antworte knapp",
        you=r"(?<=\S )(?:Sie|Ihnen|Ihr|Ihre[nmrs]?)\b|\b(?:[Dd]u|[Dd]ir|[Dd]ich|[Dd]ein\w*|[Ee]uch|[Ee]uer)\b",
    ),
    "fr": _western(
        user="l'utilisateur, l'utilisatrice, l'appelant, l'appelante",
        between="a, est, semble, vient de, me, nous, en train de, d'abord",
        does="demande, demandé, demander, veut, voudrait, souhaite, désire, dit, salue, salué, cherche, pose, "
        "posé, aimerait,"
        "remercie, confirme, mentionne",
        must="je dois, je devrais, je vais, je peux, je veux, il faut, il faudrait, nous devons, nous devrions, "
        "on doit",
        answer=r"répond\w*, saluer",
        manner=r"bri[èe]vement, bref, brève, court\w*, concis\w*, poli\w*, simple\w*, naturel\w*, "
        r"en une phrase, en français",
        speak="dire, demander, donner, expliquer, confirmer, rester, mentionner",
        reply="la réponse doit, la réponse devrait, ma réponse doit, ma réponse devrait, répondre brièvement",
        you=r"\b(?:[Vv]ous|[Vv]otre|[Vv]os|[Tt]u|[Tt]e|[Tt]oi|[Tt]on|[Tt]a|[Tt]es)\b|\b[Tt]['\u2019]",
    ),
    "es": _western(
        user="el usuario, la usuaria, este usuario, el llamante, el interlocutor, la persona que llama",
        between="me, nos, ha, está, parece, ahora, solo",
        does="pregunta, preguntó, preguntado, preguntando, quiere, quería, desea, pide, pidió, pidiendo, dice, "
        "dijo, saluda,"
        "saludó, busca, solicita, agradece, confirma, menciona",
        must="debo, debería, debemos, deberíamos, tengo que, tenemos que, necesito, voy a, hay que",
        answer=r"responder\w*, contestar\w*, saludar\w*",
        manner=r"breve\w*, concis\w*, cort[aeoé]\w*, educad\w*, amable\w*, simple\w*, sencill\w*, natural\w*, "
        r"una frase, en español",
        speak="decir, preguntar, dar, explicar, confirmar, ser, mencionar",
        reply="la respuesta debe, la respuesta debería, mi respuesta debe, mi respuesta debería, responder brevemente",
        you=r"\b(?:[Uu]sted(?:es)?|[Tt]ú|[Tt]e|[Tt]i|[Cc]ontigo|[Tt]us?|[Vv]os)\b|\w[aeií]r(?:l[eoa]s?|te|os)\b",
    ),
    "it": _western(
        user="l'utente, l'interlocutore, il chiamante, la chiamante",
        between="mi, ci, ha, sta, sembra, ora, solo",
        does="chiede, chiedendo, chiesto, vuole, vorrebbe, desidera, dice, detto, saluta, salutato, cerca, "
        "ringrazia, conferma,"
        "menziona",
        must="devo, dovrei, dobbiamo, dovremmo, bisogna",
        answer=r"rispond\w*, salutar\w*",
        manner=r"breve\w*, concis\w*, cortes\w*, gentil\w*, educat\w*, semplic\w*, natural\w*, cordial\w*, "
        r"una frase, in italiano",
        speak="dire, chiedere, dare, spiegare, confermare, essere, restare, menzionare",
        reply="la risposta deve, la risposta dovrebbe, la mia risposta deve, la mia risposta dovrebbe, "
        "rispondere brevemente",
        you=r"(?<=\S )Lei\b|\b(?:[Vv]oi|[Vv]i|[Tt]i|[Tt]u|[Tt]e|[Tt]uo|[Tt]ua|[Vv]ostr\w)\b|\w[aei]r(?:le|vi|ti|la)\b",
    ),
    "pt": _western(
        user="o usuário, a usuária, este usuário, o utilizador, a utilizadora, o chamador",
        between="me, nos, está, parece, agora, só, a",
        does="pergunta, perguntou, perguntando, perguntar, quer, deseja, pede, pediu, pedindo, diz, disse, "
        "cumprimenta,"
        "cumprimentou, procura, solicita, gostaria, agradece, confirma, menciona",
        must="devo, eu devo, deveria, eu deveria, preciso, vou, eu vou, tenho que, tenho de, devemos, "
        "temos que, temos de",
        answer=r"responder\w*, cumprimentar\w*, saudar\w*",
        manner=r"breve\w*, brevidade, concis\w*, curt\w*, educad\w*, gentil\w*, simples\w*, natural\w*, cortês, "
        r"uma frase",
        speak="dizer, perguntar, dar, explicar, confirmar, ser, mencionar",
        reply="a resposta deve, a resposta deveria, minha resposta deve, a minha resposta deve, responder brevemente",
        you=r"\b(?:[Vv]ocês?|[Ll]he|[Tt]e|[Tt]i|[Cc]ontigo|[Tt]eu|[Tt]ua|[Ss]enhora?)\b|\w[aei]r-(?:lhe|te|vos)",
    ),
    "nl": _western(
        user="de gebruiker, deze gebruiker, de beller, deze beller",
        between="heeft, is, lijkt, nu, zich, mij, ons, net",
        does="vraagt, vroeg, gevraagd, wil, wenst, zegt, zei, gezegd, groet, begroet, zoekt, bedankt, bevestigt, noemt",
        must="ik moet, ik zou, ik zal, ik ga, ik wil, ik kan, we moeten, we zouden, wij moeten",
        answer=r"antwoord\w*, beantwoord\w*, reager\w*, begroet\w*, groeten",
        manner="kort, bondig, beknopt, beleefd, vriendelijk, eenvoudig, natuurlijk, in één zin, in een zin",
        speak="zeggen, vragen, geven, uitleggen, bevestigen, noemen, blijven",
        reply="het antwoord moet, het antwoord zou, mijn antwoord moet, mijn antwoord zou, antwoord kort, "
        "antwoord beknopt",
        you=r"\b(?:[Uu]|[Uu]w|[Jj]e|[Jj]ij|[Jj]ou|[Jj]ouw|[Jj]ullie)\b",
    ),
    "ja": _eastern(
        about_user="(?:ユーザー|発信者)(?:さん|様)?(?:は|が|の(?:質問|要望|意図|発言|依頼))…"
        "(?:知りた|(?:尋ね|聞い|質問し|求め|望ん|言っ|挨拶し|希望し|依頼し|確認し)[てで][いきく])",
        intent="…(?:簡潔|短く|丁寧|簡単|手短|一文|自然)…(?<!お)(?<!ご)(?:答え|返答|回答|応答|返事|挨拶)…(?:べき|必要|よう|なけれ)",
        may="…(?<!お)(?<!ご)(?:答え|返答|回答|応答|返事|挨拶)…(?:べき|必要|よう|なけれ)",
        you="あなた|お客様|お客さま|貴方|ください|でしょうか|ますか|いたします",
    ),
    "zh": _eastern(
        about_user="(?:这个|该|这位)?(?:用户|使用者|来电者|呼叫者)"
        "(?:的(?:问题|意图|请求|意思)是|[^。名]{0,6}?(?:在问|询问|问(?!题)|想(?:要|知道|了解|问)|希望|说(?!明)|打招呼|提到|请求))",
        intent="(?:我|我们)?(?:应该|应当|需要|必须|得)…(?:简短|简洁|礼貌|简单|友好|自然|一句话)…(?:回答|回复|回应|答复|打招呼|问候)",
        may="(?:我|我们)?(?:应该|应当|需要|必须|得|会|要)…(?:回答|回复|回应|答复|打招呼|问候|告诉)",
        you="您|你",
    ),
}
