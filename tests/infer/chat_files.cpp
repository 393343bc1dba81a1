#include <vlm/infer/chat_files.hpp>

#include <boost/test/unit_test.hpp>

#include "infer/tiny_chat.hpp"
#include "message_of.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

std::vector<ChatTurn> turns_of(const ChatFiles& files) {
  std::vector<ChatTurn> turns(3);
  turns[0].message.role = "user";
  files.append(turns[0], image(tiny_image(3)));
  files.append(turns[0], "What is it?");
  files.append(turns[0],
               video(Video::from_frames(std::vector{tiny_image(1), tiny_image(2)}, FrameClock::rate(2))));
  turns[1].message = {"assistant", {ContentItem::from_text("A cat.")}};
  turns[2].message.role = "user";
  files.append(turns[2], "What is that?");
  return turns;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_chat_files)

// The prompt of the data room, which trains, and that of a chat are the same.
BOOST_AUTO_TEST_CASE(a_prompt_is_what_training_shows) {
  const Folder folder;
  write_ppm(folder / "cat.ppm", tiny_image(3));
  const std::string line = line_of({image_item(folder / "cat.ppm"), text_item("What is it?")}, "A cat.");
  const Sample sample =
      tiny_processor().prompt(parse_conversation(parse_json(line, "data.jsonl"), folder / "data.jsonl", 1));
  const auto files = tiny_files();
  ChatTurn turn{.message = {"user", {}}};
  files->append(turn, image(folder / "cat.ppm"));
  files->append(turn, "What is it?");
  const Prompt prompt = files->prompt(std::span(&turn, 1));
  BOOST_TEST((prompt.tokens == sample.tokens));
  BOOST_REQUIRE(prompt.images.size() == 1);
  BOOST_TEST((prompt.images[0].key == Prompt::of(sample, tiny_config()).images[0].key));
}

BOOST_AUTO_TEST_CASE(placeholders_are_widened) {
  const auto files = tiny_files();
  const std::vector<ChatTurn> turns = turns_of(*files);
  const Prompt prompt = files->prompt(turns);
  const ModelConfig config = tiny_config();
  const auto count = [&](std::int32_t token) {
    return std::count(prompt.tokens.begin(), prompt.tokens.end(), token);
  };
  BOOST_TEST(count(config.image_token) == prompt.images[0].grid.visual_tokens(2));
  BOOST_TEST(count(config.video_token) == prompt.videos[0].grid.visual_tokens(2));
  const std::string text = files->tokenizer().decode(prompt.tokens);
  BOOST_TEST(
      text.ends_with("<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n<|im_start|>user\nWhat is "
                     "that?<|im_end|>\n<|im_start|>assistant\n"));
}

BOOST_AUTO_TEST_CASE(kept_tokens_stand_for_an_answer) {
  const auto files = tiny_files();
  std::vector<ChatTurn> turns = turns_of(*files);
  const std::vector<std::int32_t> before = files->prompt(turns).tokens;
  turns[1].tokens = {65, 66, 67};
  const std::vector<std::int32_t> after = files->prompt(turns).tokens;
  const std::vector<std::int32_t> cat = files->tokenizer().encode("A cat.");
  BOOST_TEST(after.size() == before.size() + 3 - cat.size());
  const auto kept = std::search(after.begin(), after.end(), turns[1].tokens.begin(), turns[1].tokens.end());
  BOOST_REQUIRE((kept != after.end()));
  BOOST_TEST(*(kept + 3) == files->tokenizer().id_of("<|im_end|>").value());
}

// What a model spells in ordinary characters stays that, also behind a stop string and for models that think.
BOOST_AUTO_TEST_CASE(answers_spell_no_control_tokens) {
  for (const ChatVariant variant : {ChatVariant::Instruct, ChatVariant::Thinking}) {
    const auto files = tiny_files(variant);
    std::vector<ChatTurn> turns = turns_of(*files);
    const auto ends = [&] {
      const std::vector<std::int32_t> tokens = files->prompt(turns).tokens;
      return std::count(tokens.begin(), tokens.end(), *files->tokenizer().id_of("<|im_end|>"));
    };
    const auto before = ends();
    const std::string spelled = "<|im_end|> and <|image_pad|>";
    turns[1].message.content = {ContentItem::from_text(spelled)};
    turns[1].tokens = files->tokenizer().encode_plain(spelled);
    BOOST_TEST(ends() == before);
    BOOST_TEST(files->tokenizer().decode(files->prompt(turns).tokens).find(spelled) != std::string::npos);
  }
}

// Also where a turn keeps its thoughts, since what follows it is the answer of a tool and no question.
BOOST_AUTO_TEST_CASE(kept_thoughts_spell_no_control_tokens) {
  const auto files = tiny_files(ChatVariant::Thinking);
  std::vector<ChatTurn> turns(3);
  turns[0].message = {"user", {ContentItem::from_text("What is it?")}};
  turns[1].message = {"assistant", {ContentItem::from_text("A <|im_end|> cat.")}};
  turns[1].message.reasoning = "A <|im_start|> <|image_pad|> dog.";
  turns[2].message = {"user", {ContentItem::from_text("<tool_response>\nA cat.\n</tool_response>")}};
  const std::vector<std::int32_t> tokens = files->prompt(turns).tokens;
  const auto count = [&](const char* token) {
    return std::count(tokens.begin(), tokens.end(), *files->tokenizer().id_of(token));
  };
  BOOST_TEST(count("<|im_end|>") == 3);
  BOOST_TEST(count("<|im_start|>") == 4);
  BOOST_TEST(count("<|image_pad|>") == 0);
  BOOST_TEST(count("</think>") == 1);
  BOOST_TEST(files->tokenizer().decode(tokens).find(
                 "<think>\nA <|im_start|> <|image_pad|> dog.\n</think>\n\nA <|im_end|> cat.<|im_end|>") !=
             std::string::npos);
}

// A tokenizer that marks <|image_pad|> as no special token changes nothing of that.
BOOST_AUTO_TEST_CASE(control_tokens_are_known_without_their_mark) {
  Json file = tiny_tokenizer().to_json();
  std::string text = write_json(file);
  const std::size_t token = text.find("<|image_pad|>"), mark = text.find("\"special\"", token);
  text.replace(text.find("true", mark), 4, "false");
  const ChatFiles files(Tokenizer(tokenizer_from_json(parse_json(text, "tokenizer.json"))),
                        ChatTemplate(ChatVariant::Instruct), tiny_images(),
                        VideoSettings::for_images(tiny_images()), GenerationConfig(), tiny_config());
  BOOST_REQUIRE(!files.tokenizer().is_special(tiny_config().image_token));
  ChatTurn turn{.message = {"user", {}}};
  BOOST_CHECK_THROW(files.append(turn, "<|image_pad|>"), DataError);
  std::vector<ChatTurn> turns(3);
  turns[0].message = turns[2].message = {"user", {ContentItem::from_text("What is it?")}};
  turns[1].message = {"assistant", {ContentItem::from_text("<|image_pad|>")}};
  const std::vector<std::int32_t> tokens = files.prompt(turns).tokens;
  BOOST_TEST(std::count(tokens.begin(), tokens.end(), tiny_config().image_token) == 0);
  BOOST_TEST(message_of([&] { files.append(turns[1], image(tiny_image(3))); }) ==
             "vlm::DataError [chat-turn]\n"
             "  expected  images and videos in messages of the user\n"
             "  got       one of the assistant\n"
             "  try       a message of the user before it");
}

BOOST_AUTO_TEST_CASE(settings_of_other_patches_are_refused) {
  ImageSettings images = tiny_images();
  images.patch_size = 8;
  BOOST_TEST(message_of([&] {
               const ChatFiles files(tiny_tokenizer(), ChatTemplate(ChatVariant::Instruct), images,
                                     VideoSettings::for_images(images), GenerationConfig(), tiny_config());
             })
                 .starts_with("vlm::ConfigError [picture-settings]\n"
                              "  field     patch_size of preprocessor_config.json\n"));
}

BOOST_AUTO_TEST_CASE(a_template_that_opens_thoughts_is_of_a_model_that_thinks) {
  const auto variant = [](const std::string& opening) {
    const std::string source = "{% for m in messages %}{{ m.content }}{% endfor %}" + opening;
    return ChatFiles(tiny_tokenizer(), ChatTemplate::from_source(source, "chat_template.jinja"),
                     tiny_images(), VideoSettings::for_images(tiny_images()), GenerationConfig(),
                     tiny_config())
        .variant();
  };
  BOOST_TEST((variant("<|im_start|>assistant\n<think>{{ '\\n' }}") == ChatVariant::Thinking));
  BOOST_TEST((variant("<|im_start|>assistant{{ '\\n' }}") == ChatVariant::Instruct));
  BOOST_TEST((variant("{{ raise_exception('no system message') }}<think>") == ChatVariant::Instruct));
}

// Any template: its text is the prompt, and pictures take their places in it.
BOOST_AUTO_TEST_CASE(other_templates_are_interpreted) {
  const std::string source =
      "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}{% else %}{% for c in "
      "m.content %}{% if c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif c.type == "
      "'video' "
      "%}<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}"
      "{% endfor %}[answer]";
  const ChatFiles files(tiny_tokenizer(), ChatTemplate::from_source(source, "chat_template.jinja"),
                        tiny_images(), VideoSettings::for_images(tiny_images()), {}, tiny_config());
  const Prompt prompt = files.prompt(turns_of(files));
  const std::string text = files.tokenizer().decode(prompt.tokens);
  BOOST_TEST(text.starts_with("[user]<|vision_start|><|image_pad|>"));
  BOOST_TEST(text.ends_with("[assistant]A cat.[user]What is that?[answer]"));
}

BOOST_AUTO_TEST_CASE(files_of_different_models_are_refused) {
  ModelConfig config = tiny_config();
  const std::string expected = std::to_string(config.image_token);
  config.image_token = 3;
  BOOST_TEST(message_of([&] {
               ChatFiles(tiny_tokenizer(), ChatTemplate(ChatVariant::Instruct), tiny_images(),
                         VideoSettings::for_images(tiny_images()), {}, config);
             }) ==
             "vlm::ConfigError [chat-token]\n"
             "  field     image_token_id of config.json\n"
             "  expected  the tokenizer's id of <|image_pad|>, " +
                 expected +
                 "\n"
                 "  got       3\n"
                 "  try       take config.json and tokenizer.json from one place");
}

BOOST_AUTO_TEST_SUITE_END()
