"""Planning, labels, tags and channels around a reply are not heard; everything that a caller may be told is."""

import pytest

from tests.text.test_spoken import said_of
from voicecall.text.spoken import speech_in

SIZES = [1, 4, 1000]

PLANNING = [
    ("Okay, the user wants to know the opening hours. We close at nine.", "We close at nine."),
    (
        "Let me think. The caller asked about parking. There is parking behind the house.",
        "There is parking behind the house.",
    ),
    ("We need to answer in one sentence. The kitchen closes at nine.", "The kitchen closes at nine."),
    (
        "The caller wants a table for two. I'll offer eight o'clock. I can offer you eight o'clock.",
        "I can offer you eight o'clock.",
    ),
    ("Alright, so the user is asking about the weather. I need to keep it short. It is raining.", "It is raining."),
    ("Hmm, the user said hello. I should greet them back. Hello, how can I help?", "Hello, how can I help?"),
    (
        "First, I need to figure out what the user wants. They want the price. It costs ten euros.",
        "It costs ten euros.",
    ),
    ("I should respond politely and concisely. Good morning!", "Good morning!"),
    (
        "Der Nutzer möchte wissen, wann wir öffnen. Ich sollte kurz antworten. Wir öffnen um neun Uhr.",
        "Wir öffnen um neun Uhr.",
    ),
    ("Okay, der Benutzer fragt nach der Uhrzeit. Es ist zwölf Uhr.", "Es ist zwölf Uhr."),
    ("L'utilisateur demande l'heure. Je dois répondre brièvement. Il est midi.", "Il est midi."),
    ("El usuario pregunta por la hora. Debo responder brevemente. Es mediodía.", "Es mediodía."),
    ("L'utente chiede l'ora. Devo rispondere in breve. È mezzogiorno.", "È mezzogiorno."),
    ("O usuário pergunta as horas. Devo responder de forma breve. É meio-dia.", "É meio-dia."),
    ("De gebruiker vraagt hoe laat het is. Ik moet kort antwoorden. Het is twaalf uur.", "Het is twaalf uur."),
    ("ユーザーは時間を尋ねています。簡潔に答えるべきです。今は正午です。", "今は正午です。"),
    ("用户在问时间。我应该简短地回答。现在是中午。", "现在是中午。"),
    ("Der Anrufer begrüßt mich. Ich werde freundlich antworten. Guten Tag!", "Guten Tag!"),
    ("Der Nutzer hat nach der Uhrzeit gefragt. Es ist zwölf Uhr.", "Es ist zwölf Uhr."),
    ("D'accord, l'utilisateur veut savoir l'heure. Ma réponse doit être courte. Il est midi.", "Il est midi."),
    ("L’utilisateur me salue. Je vais lui répondre poliment. Bonjour !", "Bonjour !"),
    ("El usuario quiere saber la hora. Voy a dar la hora. Es mediodía.", "Es mediodía."),
    ("O utilizador quer saber as horas. É meio-dia.", "É meio-dia."),
    ("Oké, de gebruiker wil weten hoe laat het is. Het is twaalf uur.", "Het is twaalf uur."),
    ("はい、ユーザーが時刻を聞いています。今は正午です。", "今は正午です。"),
    ("好的，用户想知道现在几点。现在是中午。", "现在是中午。"),
    ("I need to greet the caller. Good morning!", "Good morning!"),
    ("I should check what the user wants. How can I help?", "How can I help?"),
]

LABELS = [
    ("I consider the time.\n\nFinal answer: It is noon.", "It is noon."),
    ("Thought: the user asks for the time.\nFinal Answer: It is noon.", "It is noon."),
    ("Thinking: the user asks for the time.\nAnswer: It is noon.", "It is noon."),
    ("**Final answer:** It is noon.", "It is noon."),
    ("Response: It is noon.", "It is noon."),
    ("Assistant: It is noon.", "It is noon."),
    ("Reasoning:\nThe user asks.\n\nReply:\nIt is noon.", "It is noon."),
    ("Gedanken: Der Nutzer will die Uhrzeit.\nAntwort: Es ist zwölf Uhr.", "Es ist zwölf Uhr."),
    ("Endgültige Antwort: Es ist zwölf Uhr.", "Es ist zwölf Uhr."),
    ("思考：用户想知道时间。\n回答：现在是中午。", "现在是中午。"),
    ("用户的意思是想知道时间。最终答案：现在是中午。", "现在是中午。"),
    ("It is about noon, I think.\n**Final Answer**: It is noon.", "It is noon."),
    ("## Analysis\nThe user asks for the time.\nBe brief.\n\n## Response\nIt is noon.", "It is noon."),
    ("**Reasoning**\nThey ask.\n\n**Answer**\nIt is noon.", "It is noon."),
]

BEHIND = [
    ("It is noon. (I kept it short, as the user asked for the time.)", "It is noon."),
    ("It is noon.\n\nNote: the user may ask for the date next, so I should be ready.", "It is noon."),
    ("It is noon.\n\n(The user asked for the time, so I kept it brief.)", "It is noon."),
    ("It is noon. The user seems happy.", "It is noon."),
]

TAGS = [
    ("<answer>It is noon.</answer>", "It is noon."),
    ("The time is asked. <answer>It is noon.</answer>", "It is noon."),
    ("<analysis>The user asks.</analysis><final>It is noon.</final>", "It is noon."),
    ("Here is my reply: <answer>It is noon.</answer> I kept it short.", "It is noon."),
    ("<final_answer>It is noon. Anything else?</final_answer>", "It is noon. Anything else?"),
    ("<answer>It is noon.", "It is noon."),
]

ENVELOPES = [
    ('[{"spoken": "It is noon."}]', "It is noon."),
    ('[{"spoken": "It is noon."}, {"spoken": "Anything else?"}]', "It is noon. Anything else?"),
    ('{"Spoken": "It is noon."}', "It is noon."),
    ('{"SPOKEN": "It is noon."}', "It is noon."),
    ('{"response": {"spoken": "It is noon."}}', "It is noon."),
    ('{"thoughts": "the user asks", "spoken": "It is noon."}', "It is noon."),
    ('<thinking>hm</thinking><answer>{"spoken": "It is noon."}</answer>', "It is noon."),
    ('{"Response": {"Text": "It is noon."}}', "It is noon."),
    ('```json\n[{"Reply": "It is noon."}]\n```', "It is noon."),
]

CHANNELS = [
    (
        "<|channel|>analysis<|message|>The user asks.<|end|><|start|>assistant<|channel|>final<|message|>It is noon.",
        "It is noon.",
    ),
    (
        (
            "<|channel|>analysis<|message|>The user asks.<|end|><|start|>assistant<|channel|>final<|message|>"
            "It is noon.<|return|>"
        ),
        "It is noon.",
    ),
    ("<|start|>assistant<|channel|>final<|message|>It is noon.<|end|>", "It is noon."),
    ("<|channel|>analysis<|message|>never ends", ""),
    ("analysisThe user asks for the time.assistantfinalIt is noon.", "It is noon."),
    ("<|im_start|>assistant\nIt is noon.<|im_end|>", "It is noon."),
    (
        (
            "<|start|>assistant<|channel|>analysis<|message|>The user {<|end|><|start|>assistant<|channel|>commentary "
            "to=functions.end_call <|constrain|>json<|message|>{}<|call|><|start|>assistant<|channel|>final<|message|>"
            "It is noon."
        ),
        "It is noon.",
    ),
    ("It is noon.<|im_end|>\n<|im_start|>user\nThanks<|im_end|>", "It is noon."),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nIt is noon.<|eot_id|>", "It is noon."),
    ("analysisNeed answer.assistantfinalIt is noon.", "It is noon."),
    ("<|begin_of_thought|>hm<|end_of_thought|>It is noon.", "It is noon."),
]

KEPT = [
    "I should warn you that the kitchen closes at nine.",
    "Let me check that for you.",
    "The user manual is in the box.",
    "Let me think. Yes, at eight would be fine.",
    "I need to tell you that we are closed on Mondays.",
    "The caller ID shows your number.",
    "We need to know your name first.",
    "Okay, the table is booked.",
    "The answer is forty-two.",
    "The final answer comes tomorrow.",
    "The user wants to change the password? Then open the settings.",
    "The user account is locked, I should mention.",
    "I should be home by six.",
    "I should answer that with a clear yes.",
    "Der Nutzer Ihres Kontos ist gesperrt.",
    "Ich sollte Ihnen sagen, dass die Küche um neun schließt.",
    "Je dois vous dire que la cuisine ferme à neuf heures.",
    "Debo decirle que la cocina cierra a las nueve.",
    "Devo dirle che la cucina chiude alle nove.",
    "Devo avisar que a cozinha fecha às nove.",
    "Ik moet u zeggen dat de keuken om negen uur sluit.",
    "ユーザー名を教えてください。",
    "お客様は何名様ですか。",
    "用户名是什么？",
    "我应该告诉您，厨房九点关门。",
    "The analysis is ready. Assistant Meyer will call you.",
    "Let me see. You have two messages.",
    "We need to confirm two things. Your name, and your number.",
    "You asked for the time. It is noon.",
    "So you want a table for two.",
    "The customer service desk opens at nine.",
    "It is noon. I should add that it is raining.",
    "(laughs) It is noon.",
    "Note: the kitchen closes at nine.",
    "The user guide says to press the red button. Then wait.",
    "I must tell you that we are full. Would nine suit you?",
    "I need to check with the user support team. One moment.",
    "We need to verify the caller ID with the bank. Please hold.",
    "Final answers are published on Friday. I can read them to you.",
    "It is noon. Finally, the shop closes at eight.",
    "The answer: forty-two.",
    "Finally, answer the door.",
    "Note that the kitchen closes at nine.",
    "Note: bring an umbrella.",
    "(Just kidding.) It is noon.",
    "Please say <answer> into the box. Thanks.",
    "Press the [final] key. Then hang up.",
    "Analysis of the sample is complete. It is clean.",
    "analysis is done. Good.",
    "I will ask my colleague. He knows the user Tom.",
    "Let me see what the user Tom said. He said yes.",
    "Plan: we meet at eight.",
    "Our plan is simple. Plan: we meet at eight. Bring wine.",
    "They want ten euros. I can confirm that.",
    "This caller was rude. Sorry about that.",
    "The caller wants a refund? We can do that for you.",
    "Ich sollte kurz erwähnen, dass die Küche um neun schließt. Möchten Sie reservieren?",
    "Ich muss kurz nachsehen. Einen Moment bitte.",
    "Ich werde Ihnen gleich antworten. Bleiben Sie dran.",
    "Der Nutzer muss sich zuerst anmelden. Dann geht es weiter.",
    "Wir müssen die Anfrage kurz prüfen. Das dauert nicht lange.",
    "Die Antwort lautet zweiundvierzig. Noch etwas?",
    "Der Benutzername ist Anna. Das Kennwort folgt.",
    "Ich kann das beantworten. Es ist zwölf Uhr.",
    "Ich muss nachdenken. Ja, das geht.",
    "Gut, ich trage acht Uhr ein. Bis dann.",
    "Ich kann Sie kurz verbinden. Er wird antworten.",
    "Je dois vérifier cela. Un instant.",
    "Je vais répondre à cette question. Il est midi.",
    "L'utilisateur doit se connecter. Ensuite c'est simple.",
    "Je peux vous répondre brièvement. Il est midi.",
    "La réponse est quarante-deux.",
    "Je vais simplement confirmer la réservation. C'est fait.",
    "Alors, il est midi.",
    "Le client veut un remboursement. C'est possible.",
    "Bien, je vais demander à mon collègue. Un instant.",
    "Debo comprobarlo. Un momento.",
    "Voy a preguntar a mi compañero. Un momento.",
    "El usuario debe registrarse primero. Luego es fácil.",
    "Voy a responder a eso. Es mediodía.",
    "La respuesta es cuarenta y dos.",
    "Tengo que ser sincero: está roto. Lo siento.",
    "El usuario de su cuenta está bloqueado.",
    "Bueno, es mediodía.",
    "Necesito confirmar el número. ¿Es el tres?",
    "Vale, voy a dar de alta la línea. Listo.",
    "Devo controllare. Un attimo.",
    "Devo chiedere al collega. Un attimo.",
    "L'utente deve registrarsi. Poi è facile.",
    "La risposta è quarantadue.",
    "Allora, è mezzogiorno.",
    "Devo dirle una cosa. La cucina chiude.",
    "Devo verificar. Um momento.",
    "Vou perguntar ao colega. Um momento.",
    "O usuário precisa fazer login. Depois é fácil.",
    "A resposta é quarenta e dois.",
    "Então, é meio-dia.",
    "Vou confirmar a reserva. Pronto.",
    "Ik moet dat nakijken. Een moment.",
    "Ik zal het mijn collega vragen. Een moment.",
    "De gebruiker moet eerst inloggen. Daarna gaat het.",
    "Het antwoord is tweeënveertig.",
    "Goed, het is twaalf uur.",
    "Ik ga u kort antwoorden. Het is twaalf uur.",
    "簡潔にお答えします。今は正午です。",
    "確認いたします。少々お待ちください。",
    "ユーザー登録が必要です。お名前をどうぞ。",
    "はい、正午です。",
    "答えは四十二です。",
    "ユーザーマニュアルは箱の中にあります。",
    "利用者は年齢を確認できる物が必要です。",
    "お返事は明日になります。",
    "短く言うと、はいです。",
    "用户需要先登录。然后就可以了。",
    "用户说明书在盒子里。",
    "我应该提醒您，厨房九点关门。",
    "好的，现在是中午。",
    "答案是四十二。",
    "我需要查一下。请稍等。",
    "用户名想好了吗？",
    "我会告诉同事。他会处理。",
    "我们需要简单登记一下。请说姓名。",
    "It is noon! Is it? Yes… Well.",
    "1. One\n2. Two\n",
    "Привет. Сейчас полдень.",
    "مرحبا. الساعة الثانية عشرة.",
    "नमस्ते। बारह बजे हैं।",
]

"""Replies that look like planning, or speak of users, or begin as a label does."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("written", "said"), PLANNING)
def test_a24_planning_is_not_heard_in_the_languages_that_are_known(written: str, said: str, size: int) -> None:
    """English, German, French, Spanish, Italian, Portuguese, Dutch, Japanese and Chinese."""
    assert said_of(written, size).strip() == said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("written", "said"), LABELS)
def test_a24_what_stands_before_the_label_of_the_reply_is_not_heard(written: str, said: str, size: int) -> None:
    """A colon, a heading or a bold line makes a label."""
    assert said_of(written, size).strip() == said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("written", "said"), BEHIND)
def test_a24_planning_behind_the_reply_is_not_heard(written: str, said: str, size: int) -> None:
    """Only what speaks of the user or the caller; the rest was judged with the first sentence."""
    assert said_of(written, size).strip() == said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("written", "said"), TAGS)
def test_a24_only_what_stands_between_the_tags_of_the_reply_is_heard(written: str, said: str, size: int) -> None:
    """They are known in any language."""
    assert said_of(written, size).strip() == said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("written", "said"), ENVELOPES)
def test_a24_an_envelope_has_its_keys_in_any_case_in_lists_and_in_objects(written: str, said: str, size: int) -> None:
    """And code fences around a list."""
    assert said_of(written, size).strip() == said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("written", "said"), CHANNELS)
def test_a24_only_the_channel_of_the_reply_is_heard(written: str, said: str, size: int) -> None:
    """Control tokens of harmony, ChatML and Llama, and what is left of harmony's where a service removes them."""
    assert said_of(written, size).strip() == said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("written", KEPT)
def test_a24_a_reply_that_may_be_meant_for_the_caller_is_heard_whole(written: str, size: int) -> None:
    """A caller who hears planning is puzzled; one who misses a sentence is misled."""
    assert said_of(written, size) == written


@pytest.mark.parametrize("size", SIZES)
def test_a24_a_preamble_before_a_tool_is_heard(size: int) -> None:
    """In harmony it is `commentary` without a recipient; with one it is the tool's input."""
    tool = "<|channel|>commentary to=functions.end_call <|constrain|>json<|message|>{}<|call|>"
    written = f"<|channel|>commentary<|message|>One moment.<|end|><|start|>assistant{tool}"
    said = said_of(f"{written}<|start|>assistant<|channel|>final<|message|>It is noon.", size)
    assert said.split() == ["One", "moment.", "It", "is", "noon."]


@pytest.mark.parametrize("size", SIZES)
def test_a24_tokens_that_begin_no_message_are_removed_and_no_text_with_them(size: int) -> None:
    assert said_of("<|start|>It is noon.", size) == "It is noon."
    assert said_of("It is <|unknown|> noon.", size).split() == ["It", "is", "noon."]
    assert said_of("<|channel|>analysis<|message|>never ends", size) == ""


def test_a24_a_message_of_a_client_has_no_channels_either() -> None:
    assert speech_in("<|start|>assistant<|channel|>final<|message|>It is noon.<|return|>") == "It is noon."


def test_a24_what_has_been_said_cannot_be_taken_back() -> None:
    """A sentence passes when the next one begins; a tag or label behind two sentences comes too late for the first."""
    assert (
        said_of("The clock shows it. Wait a second. <answer>It is noon.</answer>", 1)
        == "The clock shows it. It is noon."
    )
