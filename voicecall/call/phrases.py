"""The sentences the bot says by itself, in each language: when a service fails, and when the caller stays silent.

Pure. Chosen by the rules; a caller is never left in silence (guarantee P13). The texts are polite, address the caller
formally and avoid forms that name the speaker's or the caller's gender. `phrases` in the configuration replaces any.
"""

# ruff: noqa: RUF001  letters of other scripts are meant as they are

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

from voicecall.text.language_tags import primary_subtag
from voicecall.text.speakable import Speakable, speakable

__all__ = ["AUTO", "DEFAULT_LANGUAGE", "ENGLISH", "LANGUAGES", "PRESSED", "Phrases", "base_language", "phrases_in"]

DEFAULT_LANGUAGE: Final = "en"

PRESSED: Final = "the caller pressed {digits}"
"""Stands for keys in the transcript and in what the agent is asked; not spoken."""

AUTO: Final = "auto"
"""In place of a language: the one that speech recognition reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """The phrases of one language."""

    fillers: tuple[Speakable, ...]
    """While the agent takes long: one of these, never the same twice in a row."""
    agent_failed: Speakable
    """The agent has no answer; the caller is asked to repeat."""
    stt_lost: Speakable
    """Speech recognition broke off and will return."""
    stt_recovered: Speakable
    """Speech recognition is back."""
    stt_failed: Speakable
    """Speech recognition is gone for good: the call ends."""
    not_caught: Speakable
    """Speech was lost; the caller is asked to repeat."""
    cut_off: Speakable
    """Said before a text that is repeated after a failure on our side."""
    goodbye: Speakable
    """After two failures in a row: the call ends."""
    voice_failed: Speakable
    """The text that was due cannot be spoken."""
    still_there: Speakable
    """The caller has been silent for long."""
    silence_goodbye: Speakable
    """The caller stayed silent: the call ends."""
    asking_owner: Speakable
    """The agent asks who placed the call; the caller is asked to wait."""
    recorded: Speakable
    """Said before the greeting: the call is recorded."""
    may_record: Speakable
    """Asked before the greeting: whether the call may be recorded; a yes or the key 1 agrees."""


def _phrases(fillers: tuple[str, ...], *rest: str) -> Phrases:
    names = [field.name for field in fields(Phrases)][1:]
    texts = {name: Speakable(text) for name, text in zip(names, rest, strict=True)}
    return Phrases(fillers=tuple(map(Speakable, fillers)), **texts)


LANGUAGES: Final[Mapping[str, Phrases]] = MappingProxyType(
    {
        "en": _phrases(
            ("One moment, please.", "Just a second.", "Let me see."),
            "Sorry, I could not find an answer just now. Could you say that again?",
            "Sorry, I cannot hear you just now. Please stay on the line.",
            "I can hear you again.",
            "Sorry, I cannot hear you right now. Please call again later.",
            "Sorry, I did not catch that.",
            "Sorry, I was cut off.",
            "I am sorry, this is not working today. Please try again later. Goodbye.",
            "Sorry, I am having trouble speaking right now. Please try again later.",
            "Are you still there?",
            "I cannot hear anyone, so I will hang up now. Goodbye.",
            "I need to ask about that. One moment, please.",
            "This call is recorded.",
            "May I record this call? Please say yes, or press 1.",
        ),
        "de": _phrases(
            ("Einen Moment, bitte.", "Einen Augenblick.", "Ich sehe gleich nach."),
            "Entschuldigung, darauf habe ich gerade keine Antwort gefunden. Könnten Sie das bitte wiederholen?",
            "Entschuldigung, ich kann Sie gerade nicht hören. Bitte bleiben Sie in der Leitung.",
            "Jetzt kann ich Sie wieder hören.",
            "Entschuldigung, ich kann Sie leider nicht hören. Bitte rufen Sie später noch einmal an.",
            "Entschuldigung, das habe ich nicht verstanden.",
            "Entschuldigung, ich wurde unterbrochen.",
            "Es tut mir leid, heute klappt es nicht. Bitte versuchen Sie es später noch einmal. Auf Wiederhören.",
            "Entschuldigung, ich kann gerade nicht richtig sprechen. Bitte versuchen Sie es später noch einmal.",
            "Sind Sie noch da?",
            "Ich höre niemanden und lege jetzt auf. Auf Wiederhören.",
            "Da muss ich kurz nachfragen. Bitte bleiben Sie dran.",
            "Dieses Gespräch wird aufgezeichnet.",
            "Darf dieses Gespräch aufgezeichnet werden? Bitte sagen Sie Ja oder drücken Sie die 1.",
        ),
        "fr": _phrases(
            ("Un instant, s'il vous plaît.", "Un petit moment.", "Je regarde."),
            "Excusez-moi, je n'ai pas trouvé de réponse. Pourriez-vous répéter, s'il vous plaît ?",
            "Excusez-moi, je ne vous entends plus. Merci de rester en ligne.",
            "Je vous entends de nouveau.",
            "Excusez-moi, je ne vous entends pas. Merci de rappeler plus tard.",
            "Excusez-moi, je n'ai pas bien compris.",
            "Excusez-moi, la ligne a été coupée un instant.",
            "Toutes nos excuses, cela ne fonctionne pas aujourd'hui. Merci de réessayer plus tard. Au revoir.",
            "Excusez-moi, j'ai du mal à parler en ce moment. Merci de réessayer plus tard.",
            "Êtes-vous toujours là ?",
            "Je n'entends personne, je vais donc raccrocher. Au revoir.",
            "Je dois me renseigner. Un instant, je vous prie.",
            "Cet appel est enregistré.",
            "Cet appel peut-il être enregistré ? Dites oui, ou appuyez sur 1, s'il vous plaît.",
        ),
        "es": _phrases(
            ("Un momento, por favor.", "Un segundo.", "Déjeme ver."),
            "Disculpe, ahora mismo no he encontrado una respuesta. ¿Podría repetirlo, por favor?",
            "Disculpe, en este momento no le oigo. Por favor, no cuelgue.",
            "Ya le oigo de nuevo.",
            "Disculpe, no puedo oírle. Por favor, llame más tarde.",
            "Disculpe, no le he entendido.",
            "Disculpe, se ha cortado un momento.",
            "Lo siento, hoy no está funcionando. Por favor, inténtelo más tarde. Adiós.",
            "Disculpe, ahora mismo tengo problemas para hablar. Por favor, inténtelo más tarde.",
            "¿Sigue usted ahí?",
            "No oigo a nadie, así que voy a colgar. Adiós.",
            "Tengo que consultarlo. Espere un momento, por favor.",
            "Esta llamada se está grabando.",
            "¿Podemos grabar esta llamada? Diga sí o pulse 1, por favor.",
        ),
        "it": _phrases(
            ("Un momento, per favore.", "Solo un attimo.", "Controllo subito."),
            "Mi scusi, al momento non ho trovato una risposta. Potrebbe ripetere, per favore?",
            "Mi scusi, in questo momento non La sento. Resti in linea, per favore.",
            "Ora La sento di nuovo.",
            "Mi scusi, non riesco a sentirLa. La prego di richiamare più tardi.",
            "Mi scusi, non ho capito.",
            "Mi scusi, la linea si è interrotta.",
            "Mi dispiace, oggi non funziona. La prego di riprovare più tardi. Arrivederci.",
            "Mi scusi, in questo momento ho difficoltà a parlare. La prego di riprovare più tardi.",
            "È ancora in linea?",
            "Non sento nessuno, quindi chiudo la chiamata. Arrivederci.",
            "Devo chiedere. Resti in linea un momento, per favore.",
            "Questa chiamata viene registrata.",
            "Possiamo registrare questa chiamata? Dica sì oppure prema 1, per favore.",
        ),
        "pt": _phrases(
            ("Um momento, por favor.", "Só um instante.", "Vou verificar."),
            "Desculpe, não encontrei uma resposta agora. Poderia repetir, por favor?",
            "Desculpe, neste momento não ouço a sua voz. Por favor, aguarde na linha.",
            "Já ouço a sua voz novamente.",
            "Desculpe, não consigo ouvir a sua voz. Por favor, ligue mais tarde.",
            "Desculpe, não entendi.",
            "Desculpe, a ligação falhou por um momento.",
            "Lamento, hoje não é possível continuar. Por favor, tente mais tarde. Até logo.",
            "Desculpe, estou com dificuldade em falar agora. Por favor, tente mais tarde.",
            "Ainda está na linha?",
            "Não ouço ninguém, por isso vou desligar. Até logo.",
            "Preciso de perguntar. Aguarde um momento, por favor.",
            "Esta chamada está a ser gravada.",
            "Podemos gravar esta chamada? Diga sim ou prima 1, por favor.",
        ),
        "nl": _phrases(
            ("Een ogenblik, alstublieft.", "Momentje.", "Ik kijk het even na."),
            "Sorry, ik heb nu geen antwoord gevonden. Kunt u dat alstublieft herhalen?",
            "Sorry, ik kan u even niet horen. Blijft u alstublieft aan de lijn.",
            "Ik kan u weer horen.",
            "Sorry, ik kan u niet horen. Belt u alstublieft later terug.",
            "Sorry, dat heb ik niet verstaan.",
            "Sorry, ik werd onderbroken.",
            "Het spijt me, het lukt vandaag niet. Probeert u het later nog eens. Tot ziens.",
            "Sorry, ik kan op dit moment niet goed spreken. Probeert u het later nog eens.",
            "Bent u er nog?",
            "Ik hoor niemand, dus ik hang nu op. Tot ziens.",
            "Dat moet ik even navragen. Een ogenblik, alstublieft.",
            "Dit gesprek wordt opgenomen.",
            "Mag dit gesprek worden opgenomen? Zeg ja of toets 1, alstublieft.",
        ),
        "pl": _phrases(
            ("Chwileczkę, proszę.", "Jedną chwilę.", "Już sprawdzam."),
            "Przepraszam, w tej chwili nie mam odpowiedzi. Czy można prosić o powtórzenie?",
            "Przepraszam, w tej chwili nic nie słyszę. Proszę się nie rozłączać.",
            "Już wszystko słyszę.",
            "Przepraszam, niestety nic nie słyszę. Proszę zadzwonić później.",
            "Przepraszam, nie udało mi się tego zrozumieć.",
            "Przepraszam, połączenie na chwilę się przerwało.",
            "Bardzo mi przykro, dziś to nie działa. Proszę spróbować później. Do usłyszenia.",
            "Przepraszam, mam teraz trudności z mówieniem. Proszę spróbować później.",
            "Czy są Państwo nadal na linii?",
            "Nikogo nie słyszę, więc zakończę rozmowę. Do usłyszenia.",
            "Muszę o to zapytać. Proszę chwilę zaczekać.",
            "Ta rozmowa jest nagrywana.",
            "Czy możemy nagrać tę rozmowę? Proszę powiedzieć tak albo wcisnąć 1.",
        ),
        "ru": _phrases(
            ("Одну минуту, пожалуйста.", "Секундочку.", "Сейчас посмотрю."),
            "Извините, сейчас не удалось найти ответ. Повторите, пожалуйста.",
            "Извините, сейчас вас не слышно. Пожалуйста, оставайтесь на линии.",
            "Теперь вас снова слышно.",
            "Извините, вас не слышно. Пожалуйста, перезвоните позже.",
            "Извините, не удалось расслышать.",
            "Извините, связь прервалась.",
            "К сожалению, сегодня ничего не получается. Пожалуйста, попробуйте позже. До свидания.",
            "Извините, сейчас у меня трудности с речью. Пожалуйста, попробуйте позже.",
            "Вы ещё на линии?",
            "Никого не слышно, поэтому разговор завершается. До свидания.",
            "Мне нужно это уточнить. Подождите, пожалуйста.",
            "Разговор записывается.",
            "Можно записать этот разговор? Скажите «да» или нажмите 1, пожалуйста.",
        ),
        "uk": _phrases(
            ("Хвилинку, будь ласка.", "Одну мить.", "Зараз подивлюся."),
            "Вибачте, зараз не вдалося знайти відповідь. Повторіть, будь ласка.",
            "Вибачте, зараз вас не чути. Будь ласка, залишайтеся на лінії.",
            "Тепер вас знову чути.",
            "Вибачте, вас не чути. Будь ласка, зателефонуйте пізніше.",
            "Вибачте, не вдалося розчути.",
            "Вибачте, зв'язок перервався.",
            "На жаль, сьогодні нічого не виходить. Будь ласка, спробуйте пізніше. До побачення.",
            "Вибачте, зараз у мене труднощі з мовленням. Будь ласка, спробуйте пізніше.",
            "Ви ще на лінії?",
            "Нікого не чути, тому розмова завершується. До побачення.",
            "Мені потрібно це уточнити. Зачекайте, будь ласка.",
            "Розмова записується.",
            "Чи можна записати цю розмову? Скажіть «так» або натисніть 1, будь ласка.",
        ),
        "tr": _phrases(
            ("Bir dakika, lütfen.", "Bir saniye.", "Hemen bakıyorum."),
            "Özür dilerim, şu anda bir yanıt bulamadım. Tekrar eder misiniz, lütfen?",
            "Özür dilerim, şu anda sizi duyamıyorum. Lütfen hatta kalın.",
            "Sizi yeniden duyabiliyorum.",
            "Özür dilerim, sizi duyamıyorum. Lütfen daha sonra tekrar arayın.",
            "Özür dilerim, anlayamadım.",
            "Özür dilerim, sesim kesildi.",
            "Üzgünüm, bugün olmuyor. Lütfen daha sonra tekrar deneyin. Hoşça kalın.",
            "Özür dilerim, şu anda konuşmakta güçlük çekiyorum. Lütfen daha sonra tekrar deneyin.",
            "Hâlâ hatta mısınız?",
            "Kimseyi duyamıyorum, bu yüzden kapatıyorum. Hoşça kalın.",
            "Bunu sormam gerekiyor. Lütfen hatta kalın.",
            "Bu görüşme kaydedilmektedir.",
            "Bu görüşmeyi kaydedebilir miyiz? Lütfen evet deyin veya 1'e basın.",
        ),
        "ar": _phrases(
            ("لحظة من فضلكم.", "ثانية واحدة.", "دعوني أتحقق."),
            "عذرًا، لم أجد جوابًا الآن. هل يمكن إعادة ما قلتموه من فضلكم؟",
            "عذرًا، لا أسمعكم الآن. يُرجى البقاء على الخط.",
            "أسمعكم الآن من جديد.",
            "عذرًا، لا أستطيع سماعكم. يُرجى الاتصال لاحقًا.",
            "عذرًا، لم أسمع ذلك جيدًا.",
            "عذرًا، انقطع الصوت.",
            "نعتذر، لا يعمل الأمر اليوم. يُرجى المحاولة لاحقًا. مع السلامة.",
            "عذرًا، أواجه صعوبة في الكلام الآن. يُرجى المحاولة لاحقًا.",
            "هل ما زلتم على الخط؟",
            "لا أسمع أحدًا، لذلك سأنهي المكالمة. مع السلامة.",
            "عليّ أن أسأل عن ذلك. لحظة من فضلكم.",
            "يتم تسجيل هذه المكالمة.",
            "هل يمكن تسجيل هذه المكالمة؟ يُرجى قول نعم أو الضغط على 1.",
        ),
        "hi": _phrases(
            ("एक क्षण, कृपया।", "बस एक पल।", "अभी देखते हैं।"),
            "क्षमा कीजिए, अभी इसका उत्तर नहीं मिला। क्या आप दोबारा कह सकते हैं?",
            "क्षमा कीजिए, अभी आपकी आवाज़ नहीं आ रही है। कृपया लाइन पर बने रहिए।",
            "अब आपकी आवाज़ फिर आ रही है।",
            "क्षमा कीजिए, आपकी आवाज़ नहीं आ रही है। कृपया बाद में फिर फ़ोन कीजिए।",
            "क्षमा कीजिए, ठीक से सुनाई नहीं दिया।",
            "क्षमा कीजिए, आवाज़ कट गई थी।",
            "क्षमा कीजिए, आज बात नहीं बन पा रही है। कृपया बाद में प्रयास कीजिए। नमस्ते।",
            "क्षमा कीजिए, अभी बोलने में कठिनाई हो रही है। कृपया बाद में प्रयास कीजिए।",
            "क्या आप अभी लाइन पर हैं?",
            "किसी की आवाज़ नहीं आ रही है, इसलिए यह कॉल समाप्त की जा रही है। नमस्ते।",
            "मुझे इसके बारे में पूछना होगा। कृपया लाइन पर बने रहें।",
            "यह कॉल रिकॉर्ड की जा रही है।",
            "क्या यह कॉल रिकॉर्ड की जा सकती है? कृपया हाँ कहिए या 1 दबाइए।",
        ),
        "vi": _phrases(
            ("Xin vui lòng chờ một chút.", "Chờ một lát ạ.", "Để tôi xem ạ."),
            "Xin lỗi, hiện tôi chưa tìm được câu trả lời. Quý khách vui lòng nói lại được không ạ?",
            "Xin lỗi, hiện tôi không nghe thấy quý khách. Xin vui lòng giữ máy.",
            "Tôi đã nghe lại được rồi ạ.",
            "Xin lỗi, tôi không nghe thấy quý khách. Xin vui lòng gọi lại sau.",
            "Xin lỗi, tôi chưa nghe rõ ạ.",
            "Xin lỗi, lời tôi vừa bị ngắt.",
            "Rất xin lỗi, hôm nay hệ thống gặp trục trặc. Xin vui lòng thử lại sau. Xin chào quý khách.",
            "Xin lỗi, hiện tôi đang gặp khó khăn khi nói. Xin vui lòng thử lại sau.",
            "Quý khách còn nghe máy không ạ?",
            "Tôi không nghe thấy ai, nên xin phép gác máy. Xin chào quý khách.",
            "Tôi cần hỏi lại việc này. Xin vui lòng chờ trong giây lát.",
            "Cuộc gọi này được ghi âm.",
            "Cuộc gọi này có thể được ghi âm không ạ? Xin hãy nói có hoặc bấm phím 1.",
        ),
        "th": _phrases(
            ("กรุณารอสักครู่", "โปรดรอสักครู่", "ขอตรวจสอบสักครู่"),
            "ขออภัย ขณะนี้ยังไม่พบคำตอบ กรุณาพูดอีกครั้งได้ไหม",
            "ขออภัย ขณะนี้ไม่ได้ยินเสียงของคุณ กรุณาถือสายรอสักครู่",
            "ได้ยินเสียงของคุณแล้ว",
            "ขออภัย ไม่ได้ยินเสียงของคุณ กรุณาโทรใหม่ภายหลัง",
            "ขออภัย ได้ยินไม่ชัด",
            "ขออภัย เสียงขาดหายไป",
            "ขออภัยอย่างยิ่ง วันนี้ระบบไม่สามารถใช้งานได้ กรุณาลองใหม่ภายหลัง สวัสดี",
            "ขออภัย ขณะนี้มีปัญหาในการพูด กรุณาลองใหม่ภายหลัง",
            "คุณยังอยู่ในสายไหม",
            "ไม่ได้ยินเสียงใคร จึงขอวางสาย สวัสดี",
            "ขอสอบถามเรื่องนี้สักครู่ กรุณารอสาย",
            "สายนี้มีการบันทึกเสียง",
            "ขออนุญาตบันทึกเสียงสายนี้ได้ไหม กรุณาพูดว่าได้ หรือกด 1",
        ),
        "id": _phrases(
            ("Mohon tunggu sebentar.", "Sebentar, ya.", "Saya periksa dulu."),
            "Maaf, saya belum menemukan jawabannya. Bisakah Anda mengulanginya?",
            "Maaf, saat ini saya tidak dapat mendengar Anda. Mohon tetap di telepon.",
            "Sekarang saya dapat mendengar Anda lagi.",
            "Maaf, saya tidak dapat mendengar Anda. Silakan menelepon lagi nanti.",
            "Maaf, saya kurang jelas mendengarnya.",
            "Maaf, suara saya tadi terputus.",
            "Mohon maaf, hari ini belum bisa. Silakan coba lagi nanti. Sampai jumpa.",
            "Maaf, saya sedang kesulitan berbicara. Silakan coba lagi nanti.",
            "Apakah Anda masih di sana?",
            "Saya tidak mendengar siapa pun, jadi panggilan ini saya akhiri. Sampai jumpa.",
            "Saya perlu menanyakan hal itu. Mohon tunggu sebentar.",
            "Panggilan ini direkam.",
            "Bolehkah panggilan ini direkam? Silakan katakan ya atau tekan 1.",
        ),
        "uz": _phrases(
            ("Bir daqiqa, iltimos.", "Bir soniya.", "Hozir ko'rib beraman."),
            "Kechirasiz, hozir javob topa olmadim. Iltimos, qaytarib yuborasizmi?",
            "Kechirasiz, hozir sizni eshitmayapman. Iltimos, liniyada qoling.",
            "Endi sizni yana eshityapman.",
            "Kechirasiz, sizni eshita olmayapman. Iltimos, keyinroq qo'ng'iroq qiling.",
            "Kechirasiz, yaxshi eshitmadim.",
            "Kechirasiz, gapim uzilib qoldi.",
            "Kechirasiz, bugun iloji bo'lmayapti. Iltimos, keyinroq urinib ko'ring. Xayr, salomat bo'ling.",
            "Kechirasiz, hozir gapirishda qiyinchilik bor. Iltimos, keyinroq urinib ko'ring.",
            "Siz hali ham liniyadamisiz?",
            "Hech kimni eshitmayapman, shuning uchun suhbatni yakunlayman. Xayr, salomat bo'ling.",
            "Buni so'rab ko'rishim kerak. Iltimos, kutib turing.",
            "Bu qo'ng'iroq yozib olinmoqda.",
            "Bu qo'ng'iroqni yozib olsak bo'ladimi? Iltimos, ha deng yoki 1 ni bosing.",
        ),
        "zh": _phrases(
            ("请稍等。", "稍等一下。", "我看一下。"),
            "抱歉，我暂时没有找到答案。请您再说一遍，好吗？",
            "抱歉，我现在听不到您的声音。请您不要挂断。",
            "现在又能听到您了。",
            "抱歉，我听不到您的声音。请您稍后再打来。",
            "抱歉，我没有听清楚。",
            "抱歉，刚才中断了。",
            "非常抱歉，今天无法继续。请您稍后再试。再见。",
            "抱歉，我现在无法正常说话。请您稍后再试。",
            "请问您还在吗？",
            "我没有听到声音，先挂断了。再见。",
            "这件事我需要询问一下，请您稍等。",
            "本次通话将被录音。",
            "可以对本次通话录音吗？请说可以，或按1。",
        ),
        "ja": _phrases(
            ("少々お待ちください。", "ただいまお調べします。", "少しお時間をください。"),
            "申し訳ございません。ただいまお答えが見つかりませんでした。もう一度おっしゃっていただけますか？",
            "申し訳ございません。ただいまお声が聞こえません。そのままお待ちください。",
            "お声が聞こえるようになりました。",
            "申し訳ございません。お声が聞こえません。後ほどおかけ直しください。",
            "申し訳ございません。聞き取れませんでした。",
            "申し訳ございません。音声が途切れました。",
            "申し訳ございません。本日はうまくご案内できません。後ほどもう一度お試しください。失礼いたします。",
            "申し訳ございません。ただいま音声に不具合がございます。後ほどもう一度お試しください。",
            "お電話はつながっておりますでしょうか？",
            "お声が聞こえないため、お電話を切らせていただきます。失礼いたします。",
            "確認いたしますので、少々お待ちください。",
            "この通話は録音されます。",
            "この通話を録音してもよろしいですか。はいとおっしゃるか、1を押してください。",
        ),
        "ko": _phrases(
            ("잠시만 기다려 주세요.", "잠시만요.", "확인해 보겠습니다."),
            "죄송합니다. 지금은 답을 찾지 못했습니다. 다시 한번 말씀해 주시겠어요?",
            "죄송합니다. 지금 말씀이 들리지 않습니다. 끊지 말고 기다려 주세요.",
            "이제 다시 잘 들립니다.",
            "죄송합니다. 말씀이 들리지 않습니다. 나중에 다시 전화해 주세요.",
            "죄송합니다. 잘 듣지 못했습니다.",
            "죄송합니다. 말이 끊겼습니다.",
            "죄송합니다. 오늘은 안내가 어렵습니다. 나중에 다시 시도해 주세요. 안녕히 계세요.",
            "죄송합니다. 지금 음성에 문제가 있습니다. 나중에 다시 시도해 주세요.",
            "아직 통화 중이신가요?",
            "말씀이 들리지 않아 전화를 끊겠습니다. 안녕히 계세요.",
            "그 부분은 문의해 보겠습니다. 잠시 기다려 주시기 바랍니다.",
            "이 통화는 녹음됩니다.",
            "이 통화를 녹음해도 될까요? 네라고 말씀하시거나 1번을 눌러 주세요.",
        ),
    }
)


ENGLISH: Final = LANGUAGES["en"]

_NAMES: Final = MappingProxyType(
    {
        "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
        "dutch": "nl", "polish": "pl", "russian": "ru", "ukrainian": "uk", "turkish": "tr", "arabic": "ar",
        "hindi": "hi", "vietnamese": "vi", "thai": "th", "indonesian": "id", "uzbek": "uz", "chinese": "zh",
        "japanese": "ja", "korean": "ko",
    }
)  # fmt: skip


def base_language(tag: str) -> str:
    """The language of a BCP 47 tag, or of an English name, that has phrases: `pt-BR` gives `pt`; any other `en`."""
    base = primary_subtag(tag)
    base = _NAMES.get(base, base)
    return base if base in LANGUAGES else DEFAULT_LANGUAGE


def phrases_in(tag: str, own: Mapping[str, tuple[str, ...]] | None = None) -> Phrases:
    """The phrases of a language. `own`: the operator's, by field name; a field other than `fillers` takes the first."""
    phrases = LANGUAGES[base_language(tag)]
    if not own:
        return phrases
    cleaned = {name: tuple(filter(None, map(speakable, texts))) for name, texts in own.items()}
    changes: dict[str, Any] = {name: t if name == "fillers" else t[0] for name, t in cleaned.items() if t}
    return replace(phrases, **changes)
