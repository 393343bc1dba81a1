#include <boost/test/unit_test.hpp>

#include <vlm/data/processor.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <vlm/data/jsonl.hpp>

#include "tiny.hpp"

using vlm::Conversation;
using vlm::Processor;
using vlm::Sample;
using vlm::tests::Folder;
using vlm::tests::image_item;
using vlm::tests::line_of;
using vlm::tests::text_item;
using vlm::tests::video_item;

namespace {

Conversation first_of(const Folder& folder, const std::string& lines) {
  return vlm::JsonlFile(folder.write("a.jsonl", lines)).conversation(0);
}

// The text of the tokens that are to be learnt.
std::string supervised_text(const Processor& processor, const Sample& sample) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < sample.tokens.size(); ++i)
    if (sample.supervised[i]) ids.push_back(sample.tokens[i]);
  return processor.tokenizer().decode(ids);
}

std::string repeated(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_processor)

BOOST_AUTO_TEST_CASE(placeholders_widen_to_the_grids_of_their_images) {
  const Folder folder;
  vlm::tests::write_picture(folder, "wide.ppm", 16, 24);    // 2 x 3 visual tokens
  vlm::tests::write_picture(folder, "small.ppm", 8, 8, 0);  // one
  const Processor processor = vlm::tests::tiny_processor();
  const Conversation conversation = first_of(
      folder, line_of({image_item("wide.ppm"), text_item("What is it?"), image_item("small.ppm")}, "A cat."));
  const Sample sample = processor.training_sample(conversation);
  BOOST_TEST(processor.tokenizer().decode(sample.tokens) ==
             "<|im_start|>user\n<|vision_start|>" + repeated("<|image_pad|>", 6) +
                 "<|vision_end|>What is it?<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n"
                 "<|im_start|>assistant\nA cat.<|im_end|>\n");
  BOOST_TEST_REQUIRE(sample.images.size() == 2u);
  BOOST_TEST((sample.images[0] == vlm::Grid{1, 4, 6}));
  BOOST_TEST((sample.images[1] == vlm::Grid{1, 2, 2}));
  BOOST_TEST(sample.supervised.size() == sample.tokens.size());
  BOOST_TEST(supervised_text(processor, sample) == "A cat.<|im_end|>");

  // Rows of 3 colours x 2 times x 4 x 4 values, first those of the first image.
  const auto features = static_cast<std::size_t>(processor.image_settings().features());
  BOOST_TEST_REQUIRE(sample.image_patches.size() == 28 * features);
  BOOST_TEST(sample.image_patches[0] == 1.0f);
  BOOST_TEST(sample.image_patches[features - 1] == -1.0f);
  BOOST_TEST(sample.image_patches[24 * features] == -1.0f);

  // The model's batch agrees about tokens and patches.
  vlm::Batch batch;
  batch.append(sample, processor.config());
  BOOST_TEST(batch.visual_places.size() == 7u);
  BOOST_TEST(batch.patch_count() == 28);
}

BOOST_AUTO_TEST_CASE(several_turns) {
  const Folder folder;
  vlm::tests::write_picture(folder, "cat.ppm", 8, 8);
  const Processor processor = vlm::tests::tiny_processor();
  const std::string turns =
      R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is it?"}, )"
      R"({"role": "assistant", "content": "A cat."}, {"role": "user", "content": [{"type": "image", )"
      R"("image": "cat.ppm"}]}, {"role": "assistant", "content": ""}]})";
  const Conversation conversation = first_of(folder, turns);
  const Sample sample = processor.training_sample(conversation);
  BOOST_TEST(supervised_text(processor, sample) == "A cat.<|im_end|><|im_end|>");
  const Sample prompt = processor.prompt(conversation);
  BOOST_TEST(processor.tokenizer().decode(prompt.tokens) ==
             "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is it?<|im_end|>\n"
             "<|im_start|>assistant\nA cat.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|>"
             "<|vision_end|><|im_end|>\n<|im_start|>assistant\n");
  BOOST_TEST(supervised_text(processor, prompt) == "");
  BOOST_TEST(prompt.supervised.size() == prompt.tokens.size());
  // Generation sees the very tokens that training saw.
  BOOST_TEST(std::equal(prompt.tokens.begin(), prompt.tokens.end(), sample.tokens.begin()));
}

BOOST_AUTO_TEST_CASE(bad_samples) {
  const Folder folder;
  folder.write("broken.ppm", "P6\n4 4\n255\nabc");
  const Processor processor = vlm::tests::tiny_processor();
  struct Case {
    std::string line, field, expected, got, advice;
  };
  const std::string correct = "correct this line";
  const Case cases[] = {
      {line_of({image_item("none.ppm")}, "A cat."), "messages[0].content[0]", "a readable file",
       folder / "none.ppm" + ": No such file or directory", "check the path and its permissions"},
      {line_of({text_item("?"), image_item("broken.ppm")}, "A cat."), "messages[0].content[1]",
       "at least 48 bytes of pixels", folder / "broken.ppm" + ": 3", "fetch or save the image again"},
      {line_of({text_item("a <|image_pad|>")}, "A cat."), "messages[0].content[0]",
       "text that spells no control token", "<|image_pad|>", correct},
      {line_of({text_item("?")}, "A cat.<|im_end|>"), "messages[1].content[0]",
       "text that spells no control token", "<|im_end|>", correct},
      {line_of({text_item("<|image_"), text_item("pad|>")}, "A cat."), "messages",
       "text that spells no control token", "one across two items", correct},
      {R"({"messages": [{"role": "user", "content": "?"}]})", "messages", "an assistant's message to learn",
       "none", correct},
  };
  for (const Case& wrong : cases) {
    const Conversation conversation = first_of(folder, wrong.line);
    BOOST_TEST(message_of([&] { processor.training_sample(conversation); }) ==
               "vlm::DataError [data-line]\n  file      " + folder / "a.jsonl" +
                   "\n  line      1\n  field     " + wrong.field + "\n  expected  " + wrong.expected +
                   "\n  got       " + wrong.got + "\n  try       " + wrong.advice);
  }
  const Conversation silent =
      first_of(folder, R"({"messages": [{"role": "assistant", "content": "A cat."}]})");
  BOOST_TEST(message_of([&] { processor.prompt(silent); }).find("a user's message to answer") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(from_a_model_folder) {
  const Folder folder;
  const vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
  vlm::save_tokenizer(tokenizer, folder / "tokenizer.json");
  folder.write("config.json", vlm::tests::tiny_config_text(tokenizer));
  folder.write("preprocessor_config.json", vlm::write_json(vlm::tests::tiny_images().to_json()));
  const Processor processor = Processor::load(folder.path);
  const Conversation conversation = first_of(folder, line_of({text_item("What is it?")}, "A cat."));
  const Sample here = vlm::tests::tiny_processor().training_sample(conversation);
  BOOST_TEST(processor.training_sample(conversation).tokens == here.tokens, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(parts_of_different_models_are_refused) {
  const auto text = vlm::tests::tiny_config_text(vlm::tests::tiny_tokenizer());
  const vlm::ModelConfig config = vlm::ModelConfig::parse(text, "config.json");
  const auto refuse = [](vlm::Tokenizer tokenizer, const vlm::ImageSettings& images, vlm::ModelConfig model) {
    return message_of([&] { Processor(std::move(tokenizer), images, std::move(model)); });
  };
  const vlm::Tokenizer other = vlm::train_tokenizer("What is it?", {.vocabulary = 266});
  const std::string wrong_id = std::to_string(config.image_token);
  BOOST_TEST(refuse(other, vlm::tests::tiny_images(), config) ==
             "vlm::ConfigError [processor-token]\n  field     image_token_id of config.json\n"
             "  expected  the tokenizer's id of <|image_pad|>, " +
                 std::to_string(other.id_of("<|image_pad|>").value()) + "\n  got       " + wrong_id +
                 "\n  try       take config.json and tokenizer.json from one place");
  BOOST_TEST(refuse(vlm::train_tokenizer("", {.special_tokens = {}}), vlm::tests::tiny_images(), config)
                 .find("expected  a tokenizer with the token <|image_pad|>") != std::string::npos);
  vlm::ModelConfig swapped = config;
  std::swap(swapped.vision_start_token, swapped.vision_end_token);
  BOOST_TEST(refuse(vlm::tests::tiny_tokenizer(), vlm::tests::tiny_images(), swapped)
                 .find("vision_start_token_id") != std::string::npos);
  vlm::ModelConfig narrow = config;
  narrow.text.vocabulary = 100;
  BOOST_TEST(refuse(vlm::tests::tiny_tokenizer(), vlm::tests::tiny_images(), narrow)
                 .starts_with("vlm::ConfigError [processor-vocabulary]"));
  vlm::ImageSettings coarse = vlm::tests::tiny_images();
  coarse.patch_size = 16;
  BOOST_TEST(refuse(vlm::tests::tiny_tokenizer(), coarse, config) ==
             "vlm::ConfigError [picture-settings]\n  field     patch_size of preprocessor_config.json\n"
             "  expected  4, as in vision_config of config.json\n  got       16\n"
             "  try       take config.json and preprocessor_config.json from one place");
}

BOOST_AUTO_TEST_CASE(placeholders_widen_to_the_times_and_tokens_of_their_videos) {
  // A program may bring an opener of its own; these clips are black, as long as their names.
  vlm::register_video_opener([](const vlm::VideoSource& source, const vlm::VideoFileOptions&) {
    const auto frames = static_cast<vlm::Index>(source.name.size() - source.name.rfind('/') - 1);
    return vlm::Video(frames, {16, 24}, vlm::FrameClock::rate(2),
                      [](vlm::Index) { return vlm::Image(16, 24); });
  });
  const Folder folder;
  vlm::tests::write_picture(folder, "small.ppm", 8, 8);
  const auto text_of = [&](const Processor& processor, const Sample& sample) {
    return processor.tokenizer().decode(sample.tokens);
  };
  const Conversation conversation = first_of(folder, line_of({video_item("five5"), text_item("What is it?"),
                                                              image_item("small.ppm"), video_item("four")},
                                                             "A cat."));
  vlm::VideoSettings settings = vlm::VideoSettings::for_images(vlm::tests::tiny_images());
  settings.patches.budget = {64, 65536};
  const auto made = [&settings] {
    vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
    vlm::ModelConfig config = vlm::ModelConfig::parse(vlm::tests::tiny_config_text(tokenizer), "config.json");
    return Processor(std::move(tokenizer), vlm::tests::tiny_images(), std::move(config), settings);
  };
  const Processor processor = made();
  const Sample sample = processor.training_sample(conversation);
  const auto step = [](const std::string& time) {
    return "<" + time + "><|vision_start|>" + repeated("<|video_pad|>", 6) + "<|vision_end|>";
  };
  const auto rest = [](const std::string& first, const std::string& second) {
    return "<|im_start|>user\n" + first + "What is it?<|vision_start|><|image_pad|><|vision_end|>" + second +
           "<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n";
  };
  BOOST_TEST(text_of(processor, sample) ==
             rest(step("0.2 seconds") + step("1.2 seconds") + step("2.0 seconds"),
                  step("0.2 seconds") + step("1.2 seconds")));
  BOOST_TEST((sample.videos == std::vector<vlm::Grid>{{3, 4, 6}, {2, 4, 6}}));
  BOOST_TEST(sample.images.size() == 1u);
  vlm::Batch batch;
  batch.append(sample, processor.config());
  BOOST_TEST(batch.patch_count() == 4 + 5 * 24);

  settings.time_form = vlm::TimeForm::Clock;
  const Processor clocks = made();
  BOOST_TEST(text_of(clocks, clocks.training_sample(conversation)) ==
             rest(step("00:00:00.2") + step("00:00:01.2") + step("00:00:02.0"),
                  step("00:00:00.2") + step("00:00:01.2")));

  const Conversation short_clip = first_of(folder, line_of({video_item("1")}, "A cat."));
  BOOST_TEST(
      message_of([&] { processor.prompt(short_clip); }) ==
      "vlm::DataError [data-line]\n  file      " + folder / "a.jsonl" +
          "\n  line      1\n  field     messages[0].content[0]\n  expected  2 to 131070 sampled frames\n"
          "  got       " +
          folder / "1" + ": 1\n  try       hand a single frame over as an image");
  vlm::register_video_opener(nullptr);
  BOOST_TEST(message_of([&] { processor.prompt(short_clip); }).find("link vlm::video") != std::string::npos);
}

// Three frames at four in a second: two temporal steps, the last frame repeated.
BOOST_AUTO_TEST_CASE(a_video_may_be_its_frames) {
  const Folder folder;
  vlm::tests::write_picture(folder, "a.ppm", 16, 24);
  vlm::tests::write_picture(folder, "b.ppm", 16, 24);
  vlm::VideoSettings settings = vlm::VideoSettings::for_images(vlm::tests::tiny_images());
  settings.patches.budget = {64, 65536};
  vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
  vlm::ModelConfig config = vlm::ModelConfig::parse(vlm::tests::tiny_config_text(tokenizer), "config.json");
  const Processor processor(std::move(tokenizer), vlm::tests::tiny_images(), std::move(config), settings);
  const auto clip = [](std::vector<vlm::Json> frames, double rate) {
    return vlm::Json::object(
        {{"type", "video"}, {"video", vlm::Json::array(std::move(frames))}, {"sample_fps", rate}});
  };
  const Conversation conversation =
      first_of(folder, line_of({clip({"a.ppm", "b.ppm", "b.ppm"}, 4), text_item("What is it?")}, "A cat."));
  const Sample sample = processor.training_sample(conversation);
  const std::string pads = "><|vision_start|>" + repeated("<|video_pad|>", 6) + "<|vision_end|>";
  BOOST_TEST(processor.tokenizer().decode(sample.tokens) ==
             "<|im_start|>user\n<0.1 seconds" + pads + "<0.5 seconds" + pads +
                 "What is it?<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n");
  BOOST_TEST((sample.videos == std::vector<vlm::Grid>{{2, 4, 6}}));
  const std::size_t step = sample.video_patches.size() / 2;
  const vlm::PatchRows second(sample.video_patches.begin() + static_cast<std::ptrdiff_t>(step),
                              sample.video_patches.end());
  const Sample still = processor.training_sample(
      first_of(folder, line_of({clip({"b.ppm", "b.ppm"}, 4), text_item("What is it?")}, "A cat.")));
  BOOST_TEST((second == still.video_patches));

  const Conversation lost =
      first_of(folder, line_of({clip({"a.ppm", "lost.ppm"}, 4), text_item("What is it?")}, "A cat."));
  const std::string message = message_of([&] { processor.prompt(lost); });
  BOOST_TEST(message.find("  field     messages[0].content[0]\n") != std::string::npos);
  BOOST_TEST(message.find("lost.ppm") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(thoughts_calls_and_results) {
  const auto of_variant = [](vlm::ChatVariant variant) {
    vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
    vlm::ModelConfig config = vlm::ModelConfig::parse(vlm::tests::tiny_config_text(tokenizer), "config.json");
    return Processor(std::move(tokenizer), vlm::tests::tiny_images(), std::move(config),
                     vlm::VideoSettings::for_images(vlm::tests::tiny_images()), variant);
  };
  const Folder folder;
  vlm::tests::write_picture(folder, "cat.ppm", 8, 8);
  const Conversation conversation =
      first_of(folder, R"({"messages": [{"role": "user", "content": "What?"}, )"
                       R"({"role": "assistant", "content": "", "reasoning_content": "Zoom.", )"
                       R"("tool_calls": [{"name": "zoom", "arguments": {"x": 1}}]}, )"
                       R"({"role": "tool", "content": [{"type": "image", "image": "cat.ppm"}]}, )"
                       R"({"role": "assistant", "content": "A cat.", "reasoning_content": "I see."}]})");
  const std::string call =
      "<tool_call>\n{\"name\": \"zoom\", \"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>";
  const Processor thinking = of_variant(vlm::ChatVariant::Thinking);
  const Sample sample = thinking.training_sample(conversation);
  BOOST_TEST(supervised_text(thinking, sample) ==
             "Zoom.\n</think>\n\n" + call + "I see.\n</think>\n\nA cat.<|im_end|>");
  BOOST_TEST(sample.images.size() == 1u);
  const Sample prompt = thinking.prompt(conversation);
  BOOST_TEST(
      thinking.tokenizer()
          .decode(prompt.tokens)
          .ends_with(
              "<tool_response>\n<|vision_start|><|image_pad|><|vision_end|>\n</tool_response><|im_end|>\n"
              "<|im_start|>assistant\n<think>\n"));
  BOOST_TEST(std::equal(prompt.tokens.begin(), prompt.tokens.end(), sample.tokens.begin()));
  const Processor instruct = of_variant(vlm::ChatVariant::Instruct);
  BOOST_TEST(supervised_text(instruct, instruct.training_sample(conversation)) == call + "A cat.<|im_end|>");
}

BOOST_AUTO_TEST_CASE(the_chat_template_of_the_folder) {
  const Folder folder;
  const vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
  vlm::save_tokenizer(tokenizer, folder / "tokenizer.json");
  folder.write("config.json", vlm::tests::tiny_config_text(tokenizer));
  folder.write("preprocessor_config.json", vlm::write_json(vlm::tests::tiny_images().to_json()));
  BOOST_TEST((Processor::load(folder.path).variant() == vlm::ChatVariant::Instruct));
  folder.write("chat_template.jinja", vlm::read_file("tests/golden/chat/chat_template.thinking.jinja"));
  BOOST_TEST((Processor::load(folder.path).variant() == vlm::ChatVariant::Thinking));
  // A stage may need one of them.
  BOOST_TEST(
      (Processor::load(folder.path, vlm::ChatVariant::Thinking).variant() == vlm::ChatVariant::Thinking));
  BOOST_TEST(
      message_of([&] { Processor::load(folder.path, vlm::ChatVariant::Instruct); }) ==
      "vlm::ConfigError [answer-format]\n  folder    " + folder.path +
          "\n  expected  the chat template of the Instruct models\n  got       that of Thinking\n"
          "  try       chat_template.jinja of such a model in this folder, or a stage of the other format");
  folder.write("chat_template.jinja", "{{ messages }}");
  BOOST_TEST(message_of([&] { Processor::load(folder.path); }) ==
             "vlm::ConfigError [processor-template]\n  file      " + folder.path +
                 "\n  expected  the chat template of a Qwen3-VL model, Instruct or Thinking\n"
                 "  got       another template\n  try       the template of the published model, or none");
}

// What SFT<Thinking> learns: the last answer's thoughts and what closes them; and SFT<NonThinking> from the same line.
BOOST_AUTO_TEST_CASE(answers_of_both_formats) {
  const Folder folder;
  const vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
  vlm::save_tokenizer(tokenizer, folder / "tokenizer.json");
  folder.write("config.json", vlm::tests::tiny_config_text(tokenizer));
  folder.write("preprocessor_config.json", vlm::write_json(vlm::tests::tiny_images().to_json()));
  const Processor plain = Processor::load(folder.path, vlm::ChatVariant::Instruct);
  BOOST_TEST(
      message_of([&] { Processor::load(folder.path, vlm::ChatVariant::Thinking); }) ==
      "vlm::ConfigError [answer-format]\n  folder    " + folder.path +
          "\n  expected  the chat template of the Thinking models\n"
          "  got       that of Instruct, which a folder without one has too\n"
          "  try       chat_template.jinja of such a model in this folder, or a stage of the other format");
  folder.write("chat_template.jinja", vlm::read_file("tests/golden/chat/chat_template.thinking.jinja"));
  const Processor thinking = Processor::load(folder.path, vlm::ChatVariant::Thinking);
  const Conversation apart =
      first_of(folder, R"({"messages": [{"role": "user", "content": "One?"}, )"
                       R"({"role": "assistant", "content": "1", "reasoning_content": "First."}, )"
                       R"({"role": "user", "content": "Two?"}, )"
                       R"({"role": "assistant", "content": "2", "reasoning_content": "Second."}]})");
  const Sample sample = thinking.training_sample(apart);
  BOOST_TEST(supervised_text(thinking, sample) == "1<|im_end|>Second.\n</think>\n\n2<|im_end|>");
  BOOST_TEST(
      thinking.tokenizer().decode(sample.tokens) ==
      "<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n1<|im_end|>\n<|im_start|>user\nTwo?<|im_end|>"
      "\n<|im_start|>assistant\n<think>\nSecond.\n</think>\n\n2<|im_end|>\n");
  BOOST_TEST(supervised_text(plain, plain.training_sample(apart)) == "1<|im_end|>2<|im_end|>");
  const Conversation inside =
      first_of(folder, R"({"messages": [{"role": "user", "content": "?"}, )"
                       R"({"role": "assistant", "content": "<think>\nHm.\n</think>\n\nYes."}]})");
  BOOST_TEST(supervised_text(thinking, thinking.training_sample(inside)) ==
             "Hm.\n</think>\n\nYes.<|im_end|>");
  BOOST_TEST(supervised_text(plain, plain.training_sample(inside)) ==
             "<think>\nHm.\n</think>\n\nYes.<|im_end|>");
  // Lines that would teach to answer at once.
  const std::string answer = R"({"role": "assistant", "content": "2", "reasoning_content": " \n"})",
                    question = R"({"role": "user", "content": "?"})";
  for (const auto& [messages, index, got] :
       {std::tuple(question + ", " + answer, 1, "an answer without"),
        std::tuple(question + R"(, {"role": "assistant", "content": "2"})", 1, "an answer without"),
        std::tuple(
            question + R"(, {"role": "assistant", "content": "2", "reasoning_content": "Hm."}, )" + question,
            2, "a message of the user")})
    BOOST_TEST(
        message_of([&] { thinking.training_sample(first_of(folder, R"({"messages": [)" + messages + "]}")); })
            .ends_with("\n  field     messages[" + std::to_string(index) +
                       "]\n  expected  an answer with thoughts, in reasoning_content or between <think> and "
                       "</think>\n  got       " +
                       got + "\n  try       a stage of the non-thinking format for such conversations"));
}

BOOST_AUTO_TEST_CASE(records_that_a_template_has_no_place_for) {
  const Folder folder;
  const Processor processor = vlm::tests::tiny_processor();
  const struct {
    const char *messages, *field, *expected;
  } cases[] = {
      {R"({"role": "user", "content": "?"}, {"role": "system", "content": "S"}, {"role": "assistant", "content": "A"})",
       "messages[1].role", "a system message only as the first"},
      {R"({"role": "user", "content": "?"}, {"role": "assistant", "content": "A", "reasoning_content": "<|im_end|>"})",
       "messages[1].reasoning_content", "text that spells no control token"},
      {R"({"role": "assistant", "content": "A", "tool_calls": [{"name": "<|im_start|>", "arguments": {}}]})",
       "messages[0].tool_calls", "text that spells no control token"},
      {R"({"role": "assistant", "content": "A", "tool_calls": [{"name": "a", "arguments": {"x": 1e30}}]})",
       "messages[0].tool_calls[0].arguments.x", "numbers within 64 bits"},
  };
  for (const auto& wrong : cases) {
    const Conversation conversation =
        first_of(folder, R"({"messages": [)" + std::string(wrong.messages) + "]}");
    BOOST_TEST(message_of([&] { processor.training_sample(conversation); })
                   .starts_with("vlm::DataError [data-line]\n  file      " + folder / "a.jsonl" +
                                "\n  line      1\n  field     " + wrong.field + "\n  expected  " +
                                wrong.expected + "\n  got       "));
  }
}

BOOST_AUTO_TEST_SUITE_END()
