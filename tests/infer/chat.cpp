#include <vlm/infer/chat.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>

#include "infer/allocations.hpp"
#include "infer/logits.hpp"
#include "infer/made_nets.hpp"
#include "infer/tiny_chat.hpp"
#include "message_of.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

const SessionSettings one_thread{.threads = 1};

// No end, no guard.
ReplySettings plain(Index tokens) {
  ReplySettings settings{.max_tokens = tokens, .seed = 3};
  settings.guard.repeats = 0;
  return settings;
}
constexpr std::string_view never = R"({"eos_token_id": 2000000000})";

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_chat)

BOOST_AUTO_TEST_CASE(pieces_are_whole_characters_and_make_the_answer) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(ChatVariant::Instruct, never), one_thread);
  chat.user("What is it?");
  ReplySettings settings = plain(200);
  settings.temperature = 1.0f;
  std::string whole;
  int pieces = 0;
  for (const std::string_view piece : chat.reply(settings)) {
    BOOST_TEST(!piece.empty());
    BOOST_TEST(repair_utf8(piece) == piece);
    whole += piece;
    ++pieces;
  }
  const Answer& answer = chat.last();
  BOOST_TEST(whole == answer.text);
  BOOST_TEST(pieces > 10);
  BOOST_TEST(answer.tokens.size() == 200);
  BOOST_TEST(answer.text == chat.files().tokenizer().decode(answer.tokens, SpecialTokens::Skip));
  BOOST_TEST(name_of(answer.stop) == "length");
  BOOST_REQUIRE(chat.turns().size() == 2);
  BOOST_TEST(chat.turns()[1].message.role == "assistant");
  BOOST_TEST(text_of(chat.turns()[1].message) == whole);
}

BOOST_AUTO_TEST_CASE(every_reason_to_stop_has_a_name) {
  const TinyNet net = tiny_net();
  const auto files = tiny_files(ChatVariant::Instruct, never);
  const auto ask = [&](std::shared_ptr<const ChatFiles> with, const ReplySettings& settings) {
    Chat chat(net, std::move(with), one_thread);
    chat.user("What is it?");
    return chat.answer(settings);
  };
  ReplySettings settings = plain(40);
  settings.temperature = 0.9f;
  const Answer whole = ask(files, settings);
  BOOST_TEST(name_of(whole.stop) == "length");

  // The third token as one that ends: two tokens are left.
  const std::string end = R"({"eos_token_id": [)" + std::to_string(whole.tokens[2]) + "]}";
  const Answer ended = ask(tiny_files(ChatVariant::Instruct, end), settings);
  BOOST_TEST(name_of(ended.stop) == "end");
  BOOST_TEST(ended.tokens.size() <= 2);

  ReplySettings stopping = settings;
  const std::string stop = whole.text.substr(whole.text.size() / 2);
  stopping.stop = {"something else", stop};
  const Answer stopped = ask(files, stopping);
  BOOST_TEST(name_of(stopped.stop) == "stop string");
  BOOST_TEST(stopped.text == whole.text.substr(0, whole.text.find(stop)));

  ReplySettings guarded = greedy(plain(4000));
  guarded.guard = {};
  const Answer cycle = ask(files, guarded);
  BOOST_TEST(name_of(cycle.stop) == "repetition guard");
  BOOST_TEST(cycle.tokens.size() < 4000);

  std::stop_source source;
  source.request_stop();
  settings.cancel = source.get_token();
  const Answer cancelled = ask(files, settings);
  BOOST_TEST(name_of(cancelled.stop) == "cancelled");
  BOOST_TEST(cancelled.tokens.empty());

  BOOST_TEST(message_of([&] { ask(files, {.stop = {""}}); }) ==
             "vlm::ConfigError [stop-string]\n"
             "  at        stop string 0\n"
             "  expected  a text of at least one character\n"
             "  got       \"\""
             "\n  try       leave it out");
  BOOST_TEST(message_of([&] { ask(files, {.max_tokens = 0}); }) ==
             "vlm::ConfigError [reply-settings]\n"
             "  setting   max_tokens\n"
             "  expected  from 1 to 1073741824\n"
             "  got       0\n"
             "  try       another number; left open it is that of generation_config.json");
}

// From another thread, and by leaving the loop; the conversation goes on with what came.
BOOST_AUTO_TEST_CASE(a_reply_can_be_cancelled) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(ChatVariant::Instruct, never), one_thread);
  chat.user("What is it?");
  ReplySettings settings = plain(1 << 20);
  settings.temperature = 1.0f;
  std::stop_source source;
  settings.cancel = source.get_token();
  std::thread other;
  for ([[maybe_unused]] const std::string_view piece : chat.reply(settings))
    if (!other.joinable()) other = std::thread([&] { source.request_stop(); });
  other.join();
  BOOST_TEST(name_of(chat.last().stop) == "cancelled");
  BOOST_TEST(!chat.last().text.empty());

  chat.user("And that?");
  settings.cancel = {};
  for ([[maybe_unused]] const std::string_view piece : chat.reply(settings)) break;
  BOOST_TEST(name_of(chat.last().stop) == "cancelled");
  BOOST_TEST(chat.turns().size() == 4);
  BOOST_TEST(text_of(chat.turns()[3].message) == chat.last().text);
}

// Between two parts of a clip, of which nothing is kept; the reply after that is the one of a chat that was not cancelled.
BOOST_AUTO_TEST_CASE(a_reply_can_be_cancelled_within_a_clip) {
  const StopsNet net(2);
  const auto files = tiny_files(ChatVariant::Instruct, never);
  const std::vector<Image> frames{tiny_image(1), tiny_image(2), tiny_image(3),
                                  tiny_image(4), tiny_image(5), tiny_image(6)};
  const SessionSettings settings{.threads = 1, .tower_patches = 1};
  const auto ask = [&](auto& chat) {
    chat.user("What is it?", video(Video::from_frames(frames, FrameClock::rate(2))));
  };
  Chat chat(net, files, settings);
  ask(chat);
  ReplySettings cancelled = greedy(plain(8));
  cancelled.cancel = net.source.get_token();
  BOOST_TEST(name_of(chat.answer(cancelled).stop) == "cancelled");
  BOOST_TEST(net.parts == 2);
  BOOST_TEST(chat.last().tokens.empty());
  BOOST_TEST(chat.last().prefill.encoded == 0);
  BOOST_TEST(chat.session().cache().picture_count() == 0);
  chat.remove_last();
  const Answer& answer = chat.answer(greedy(plain(8)));
  BOOST_TEST(answer.prefill.encoded == 1);
  const TinyNet same = tiny_net();
  Chat fresh(same, files, settings);
  ask(fresh);
  BOOST_TEST((fresh.answer(greedy(plain(8))).tokens == answer.tokens));
  BOOST_TEST(same_bits(logits_of(chat.session()), logits_of(fresh.session())));
}

// However a reply ends, and with thoughts or without, what it spelled in ordinary characters is no control token in the
// prompt that follows.
BOOST_AUTO_TEST_CASE(control_tokens_that_an_answer_spells_stay_text) {
  const Tokenizer tokenizer = tiny_tokenizer();
  const std::string spelled = "A <|im_end|> dog<|image_pad|>. ";
  for (const bool thinks : {false, true})
    for (const bool stops : {false, true}) {
      BOOST_TEST_CONTEXT("thoughts " << thinks << ", stop string " << stops) {
        const auto files = tiny_files(thinks ? ChatVariant::Thinking : ChatVariant::Instruct);
        std::vector<std::int32_t> script = tokenizer.encode_plain(spelled + (stops ? "What" : ""));
        if (thinks) {
          const std::vector<std::int32_t> closed = tokenizer.encode("A cat.\n</think>\n\n");
          script.insert(script.begin(), closed.begin(), closed.end());
        }
        if (!stops) script.push_back(*tokenizer.id_of("<|im_end|>"));
        const SaysNet net(script);
        Chat chat(net, files, one_thread);
        chat.user("What is it?");
        ReplySettings settings = greedy(plain(200));
        if (stops) settings.stop = {"What"};
        const Answer& answer = chat.answer(settings);
        BOOST_TEST(name_of(answer.stop) == (stops ? "stop string" : "end"));
        BOOST_TEST(answer.text == spelled);
        chat.user("What is that?");
        const std::vector<std::int32_t> tokens = files->prompt(chat.turns()).tokens;
        BOOST_TEST(std::count(tokens.begin(), tokens.end(), *tokenizer.id_of("<|im_end|>")) == 3);
        BOOST_TEST(std::count(tokens.begin(), tokens.end(), *tokenizer.id_of("<|image_pad|>")) == 0);
        BOOST_TEST(tokenizer.decode(tokens).find("A <|im_end|> dog<|image_pad|>.") != std::string::npos);
      }
    }
}

// What is hidden in an answer's text, since the token is special, the next prompt does not show either.
BOOST_AUTO_TEST_CASE(tokens_that_the_text_lacks_are_not_kept) {
  const Tokenizer tokenizer = tiny_tokenizer();
  const auto id = [&](const char* token) { return *tokenizer.id_of(token); };
  std::vector<std::int32_t> script = tokenizer.encode("A cat.");
  script.insert(script.begin() + 1, id("<|vision_start|>"));
  script.push_back(id("<|im_end|>"));
  const SaysNet net(script);
  Chat chat(net, tiny_files(), one_thread);
  chat.user("What is it?");
  BOOST_TEST(chat.answer(greedy(plain(20))).text == "A cat.");
  BOOST_TEST(chat.last().tokens.size() + 1 == script.size());
  chat.user("What is that?");
  const std::vector<std::int32_t> tokens = chat.files().prompt(chat.turns()).tokens;
  BOOST_TEST(std::count(tokens.begin(), tokens.end(), id("<|vision_start|>")) == 0);
}

// A picture passes the tower once for a prompt, though the cache forgets it between the chunks.
BOOST_AUTO_TEST_CASE(a_picture_of_many_chunks_is_encoded_once) {
  const auto cache = std::make_shared<PrefixCache>(PrefixCacheSettings{.picture_bytes = 1});
  const BusyNet net(cache);
  Chat chat(net, tiny_files(ChatVariant::Instruct, never), {.threads = 1, .chunk_tokens = 2, .cache = cache});
  chat.user(image(tiny_image(5)), "What is it?");
  chat.answer(greedy(plain(2)));
  BOOST_TEST(chat.last().prefill.encoded == 1);
  BOOST_TEST(net.kept > 6);
  BOOST_TEST(cache->picture_count() == 1);
}

// Cancelled before the first token, twice; then no text, an answer of a budget that no memory holds, and a range that is
// walked from two iterators: each is an ordinary turn of the conversation.
BOOST_AUTO_TEST_CASE(odd_uses_are_ordinary_turns) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(ChatVariant::Instruct, never), one_thread);
  ReplySettings settings = plain(8);
  std::stop_source source;
  source.request_stop();
  settings.cancel = source.get_token();
  for (const char* question : {"What is it?", "And that?"}) {
    chat.user(question);
    BOOST_TEST(name_of(chat.answer(settings).stop) == "cancelled");
    BOOST_TEST(chat.last().text.empty());
  }
  settings.cancel = {};
  chat.user("");
  BOOST_TEST(chat.answer(settings).tokens.size() == 8);
  settings.max_tokens = Index{1} << 30;
  chat.user("And that?");
  BOOST_TEST(chat.cost(settings).cells > Index{1} << 30);
  for ([[maybe_unused]] const std::string_view piece : chat.reply(settings)) break;
  settings.max_tokens = 8;
  chat.user("A cat?");
  {
    Chat<TinyNet>::Reply reply(chat, settings);
    std::string walked;
    reply.begin();
    for (auto piece = reply.begin(); piece != reply.end(); ++piece) walked += (*piece).text;
    BOOST_TEST(!walked.empty());
  }
  BOOST_TEST(chat.last().tokens.size() == 8);
  chat.user("A dog?");
  {
    const auto unused = std::make_unique<Chat<TinyNet>::Reply>(chat, settings);
  }  // never begun: no answer
  BOOST_TEST(chat.turns().size() == 11);
  BOOST_TEST(chat.answer(settings).tokens.size() == 8);
}

// Pictures, two turns, an answer in the model's own tokens: as if all had passed at once.
BOOST_AUTO_TEST_CASE(a_second_turn_equals_one_long_prefill) {
  const TinyNet net = tiny_net();
  for (const ChatVariant variant : {ChatVariant::Instruct, ChatVariant::Thinking}) {
    Chat chat(net, tiny_files(variant, never), one_thread);
    chat.system("A cat.").user(image(tiny_image(7)), "What is it?", image(tiny_image(90, 32, 16)));
    ReplySettings settings = plain(70);
    settings.thinking_tokens = 40;
    chat.answer(settings);
    const Index first = chat.session().length();
    chat.user("And that?", video(Video::from_frames(std::vector{tiny_image(1), tiny_image(2), tiny_image(3)},
                                                    FrameClock::rate(2.0))));
    const Prompt prompt = chat.files().prompt(chat.turns());
    settings.max_tokens = 1;
    settings.thinking_tokens = 1000;
    for ([[maybe_unused]] const std::string_view piece : chat.reply(settings)) break;
    const bool thinking = variant == ChatVariant::Thinking;
    const Index reused = chat.last().prefill.reused;
    BOOST_TEST(chat.last().prefill.encoded == 1);
    if (!thinking) BOOST_TEST(reused == first);
    if (thinking) BOOST_TEST((reused > 20 && reused < first));  // thoughts of earlier turns are left out
    Session<TinyNet> fresh(net, {.threads = 2, .chunk_tokens = 17});
    fresh.prefill(prompt, 0);
    Session<TinyNet>& session = chat.session();
    session.prefill(prompt, 0);
    BOOST_TEST(session.counts().reused == static_cast<Index>(prompt.tokens.size()) - 1);
    BOOST_TEST(same_bits(logits_of(session), logits_of(fresh)));
  }
}

BOOST_AUTO_TEST_CASE(thoughts_and_answer_stand_apart_each_with_its_budget) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(ChatVariant::Thinking, never), one_thread);
  const std::vector<std::int32_t> forced = chat.files().tokenizer().encode("\n</think>\n\n");
  ReplySettings settings = plain(12);
  settings.temperature = 1.0f;
  settings.log_probabilities = true;
  settings.thoughts = Thoughts::Show;
  for (const Index budget : {0, 25}) {
    settings.thinking_tokens = budget;
    chat.user("What is it?");
    std::string thoughts, text;
    for (const ReplyPiece piece : chat.reply(settings)) (piece.thought ? thoughts : text) += piece.text;
    const Answer& answer = chat.last();
    BOOST_TEST(text == answer.text);
    BOOST_TEST(answer.thoughts.starts_with(thoughts));
    BOOST_REQUIRE(answer.thinking_stop.has_value());
    BOOST_TEST(name_of(*answer.thinking_stop) == "thinking budget");
    BOOST_TEST(name_of(answer.stop) == "length");
    const auto begin = static_cast<std::size_t>(budget);
    BOOST_REQUIRE(answer.tokens.size() == begin + forced.size() + 12);
    BOOST_TEST(answer.log_probabilities.size() == answer.tokens.size());
    for (std::size_t i = 0; i < forced.size(); ++i) {
      BOOST_TEST(answer.tokens[begin + i] == forced[i]);
      BOOST_TEST(std::isnan(answer.log_probabilities[begin + i]));
    }
    BOOST_TEST(answer.text.find("</think>") == answer.text.npos);
    BOOST_TEST(answer.thoughts.find("</think>") == answer.thoughts.npos);
    BOOST_TEST(answer.thoughts.empty() == (budget == 0));
  }
}

// The model ends its thoughts, or the reply within them, or goes round in circles; nobody asks to see them.
BOOST_AUTO_TEST_CASE(thoughts_end_in_every_way) {
  const TinyNet net = tiny_net();
  const auto ask = [&](const ReplySettings& settings, std::string_view generation = never) {
    Chat chat(net, tiny_files(ChatVariant::Thinking, generation), one_thread);
    chat.user("What is it?");
    std::string shown;
    for (const ReplyPiece piece : chat.reply(settings)) {
      BOOST_TEST(!piece.thought);
      shown += piece.text;
    }
    BOOST_TEST(shown == chat.last().text);
    return chat.last();
  };
  ReplySettings settings = plain(5);
  settings.thinking_tokens = 20000;
  settings.temperature = 3.0f;  // until </think> is drawn
  settings.top_p = 1.0f;
  settings.top_k = 0;
  const Answer natural = ask(settings);
  BOOST_REQUIRE(natural.thinking_stop.has_value());
  BOOST_TEST(name_of(*natural.thinking_stop) == "end");
  BOOST_TEST(name_of(natural.stop) == "length");
  BOOST_TEST(!natural.thoughts.empty());
  BOOST_TEST(natural.thoughts.find("</think>") == natural.thoughts.npos);
  BOOST_TEST(natural.tokens.size() < 20000);
  BOOST_TEST(natural.tokens[natural.tokens.size() - 6] == *tiny_tokenizer().id_of("</think>"));

  // The first token that did not come before as one that ends.
  const auto begin = natural.tokens.begin();
  auto at = begin + 1;
  while (std::find(begin, at, *at) != at) ++at;
  BOOST_REQUIRE(at - begin < 8);
  const std::string end = R"({"eos_token_id": [)" + std::to_string(*at) + "]}";
  const Answer ended = ask(settings, end);
  BOOST_TEST((ended.tokens == std::vector<std::int32_t>(begin, at)));
  BOOST_TEST(name_of(ended.stop) == "end");
  BOOST_TEST(name_of(ended.thinking_stop.value()) == "end");
  BOOST_TEST(ended.text.empty());

  ReplySettings guarded = greedy(plain(5));
  guarded.thinking_tokens = 4000;
  guarded.guard = {};
  const Answer cycle = ask(guarded);
  BOOST_TEST(name_of(cycle.thinking_stop.value()) == "repetition guard");
  BOOST_TEST(cycle.tokens.size() < 4000);

  std::stop_source source;
  Chat chat(net, tiny_files(ChatVariant::Thinking, never), one_thread);
  chat.user("What is it?");
  settings = plain(5);
  settings.thinking_tokens = 1 << 20;
  settings.thoughts = Thoughts::Show;
  settings.cancel = source.get_token();
  for ([[maybe_unused]] const ReplyPiece piece : chat.reply(settings)) source.request_stop();
  BOOST_TEST(name_of(chat.last().stop) == "cancelled");
  BOOST_TEST(name_of(chat.last().thinking_stop.value()) == "cancelled");
  BOOST_TEST(!chat.last().thoughts.empty());
}

BOOST_AUTO_TEST_CASE(seeds_and_threads) {
  const TinyNet net = tiny_net();
  const auto ask = [&](std::uint64_t seed, int threads) {
    Chat chat(net, tiny_files(ChatVariant::Instruct, never), {.threads = threads});
    chat.user(image(tiny_image(5)), "What is it?");
    ReplySettings settings = plain(30);
    settings.seed = seed;
    settings.temperature = 1.0f;
    return chat.answer(settings).tokens;
  };
  const std::vector<std::int32_t> first = ask(1, 1);
  BOOST_TEST((ask(1, 2) == first));
  BOOST_TEST((ask(2, 1) != first));
}

BOOST_AUTO_TEST_CASE(log_probabilities_are_those_of_the_logits) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(ChatVariant::Instruct, never), one_thread);
  chat.user("What is it?");
  ReplySettings settings = greedy(plain(1));
  settings.log_probabilities = true;
  const Answer& answer = chat.answer(settings);
  std::vector<float> logits = logits_of(chat.session());
  logits.resize(chat.files().tokenizer().vocabulary_size());
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value));
  BOOST_REQUIRE(answer.tokens.size() == 1);
  const auto token = static_cast<std::size_t>(answer.tokens[0]);
  BOOST_TEST(std::abs(answer.log_probabilities[0] - (static_cast<double>(logits[token]) - std::log(sum))) <
             1e-4);
}

BOOST_AUTO_TEST_CASE(costs_are_known_before) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(ChatVariant::Instruct, never), one_thread);
  chat.user(image(tiny_image(5)), "What is it?");
  const ReplySettings settings = greedy(plain(20));
  const ReplyCost cost = chat.cost(settings);
  BOOST_TEST(cost.visual_tokens == 6);
  BOOST_TEST(cost.reused_tokens == 0);
  BOOST_TEST(cost.cells == cost.prompt_tokens + 20);
  BOOST_TEST(cost.cell_bytes == chat.session().cell_bytes(cost.cells));
  BOOST_TEST(cost.weights == net.weight_bytes());
  BOOST_TEST(cost.pictures == (2 * 24 * 96 + 2 * 6 * 32) * sizeof(float));
  BOOST_TEST(cost.total_bytes() == cost.cell_bytes + cost.activations + cost.pictures + cost.weights);
  chat.answer(settings);
  BOOST_TEST(chat.last().prefill.passed == cost.prompt_tokens);
  BOOST_TEST(chat.session().runtime().reserved_bytes() == cost.activations);
  BOOST_TEST(chat.session().length() == cost.cells - 1);  // the last token did not pass
  chat.user("And that?");
  BOOST_TEST(chat.cost(settings).reused_tokens == chat.session().length());
}

BOOST_AUTO_TEST_CASE(a_token_after_the_first_allocates_nothing) {
  const TinyNet net = tiny_net();
  const Folder folder;
  net.save(folder.path);
  const auto answers_without_allocations = [](const TinyNet& model, CellFormat format) {
    Chat chat(model, tiny_files(ChatVariant::Instruct, never), {.threads = 2, .cells = format});
    chat.user(image(tiny_image(5)), "What is it?");
    ReplySettings settings = plain(200);
    settings.temperature = 1.0f;
    settings.repetition_penalty = 1.1f;
    settings.log_probabilities = true;
    settings.stop = {"a text that is not there"};
    settings.guard = {.longest_cycle = 64, .repeats = 100, .tokens = 1 << 20};
    int piece = 0;
    // With the last piece the reply ends and files its pages in the cache, so the one before it counts.
    std::size_t before = 0, after = 0, last = 0;
    for ([[maybe_unused]] const std::string_view text : chat.reply(settings)) {
      after = std::exchange(last, allocation_count());
      if (++piece == 3) before = last;
    }
    BOOST_TEST(piece > 50);
    BOOST_TEST(after == before);
  };
  for (const CellFormat format : {CellFormat::F32, CellFormat::BF16, CellFormat::I8})
    answers_without_allocations(net, format);
  for (const FrozenWeights weights : {FrozenWeights::Bf16, FrozenWeights::Int8, FrozenWeights::Int4})
    answers_without_allocations(TinyNet::load(folder.path, weights), CellFormat::BF16);
}

BOOST_AUTO_TEST_CASE(one_model_serves_many_chats) {
  const TinyNet net = tiny_net();
  const auto files = tiny_files(ChatVariant::Instruct, never);
  const auto cache = std::make_shared<PrefixCache>();
  std::vector<std::string> answers(4);
  std::vector<std::thread> threads;
  for (std::string& answer : answers)
    threads.emplace_back([&] {
      Chat chat(net, files, {.threads = 1, .cache = cache});
      for (const char* question :
           {"What is it?", "What is that? A cat? A dog? A cat? A dog? A cat? A dog?"}) {
        chat.user(image(tiny_image(5)), question);
        ReplySettings settings = plain(60);
        settings.temperature = 1.0f;
        answer += chat.answer(settings).text;
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) BOOST_TEST(answer == answers.front());
  BOOST_TEST(cache->picture_count() == 1);
}

// The answer to a picture that differs in one level of one pixel is not read from the other's cells.
BOOST_AUTO_TEST_CASE(one_pixel_makes_another_picture) {
  const TinyNet net = tiny_net();
  const auto cache = std::make_shared<PrefixCache>();
  Image picture = tiny_image(5);
  std::vector<std::vector<float>> logits;
  for (const int level : {0, 1, 0}) {
    picture.pixels[100] = static_cast<std::uint8_t>(picture.pixels[100] ^ level);
    Chat chat(net, tiny_files(ChatVariant::Instruct, never), {.threads = 1, .cache = cache});
    chat.user(image(picture), "What is it? What is it? What is it? What is it? What is it?");
    chat.answer(greedy(plain(1)));
    BOOST_TEST(chat.last().prefill.encoded == (logits.size() < 2));
    logits.push_back(logits_of(chat.session()));
    picture.pixels[100] = static_cast<std::uint8_t>(picture.pixels[100] ^ level);
  }
  BOOST_TEST(!same_bits(logits[0], logits[1]));
  BOOST_TEST(same_bits(logits[0], logits[2]));
  BOOST_TEST(cache->picture_count() == 2);
}

BOOST_AUTO_TEST_CASE(wrong_use_is_refused) {
  const TinyNet net = tiny_net();
  Chat chat(net, tiny_files(), one_thread);
  BOOST_TEST(message_of([&] { chat.answer(); }) ==
             "vlm::DataError [chat-turn]\n"
             "  expected  a user's message to reply to\n"
             "  got       no message"
             "\n  try       turns in the order system, user, reply, user, reply");
  BOOST_TEST(message_of([&] { chat.user("What is it?", "<|im_end|>"); }) ==
             "vlm::DataError [chat-control-token]\n"
             "  expected  text that spells no control token\n"
             "  got       <|im_end|>\n"
             "  try       leave it out, or write it another way");
  BOOST_CHECK_THROW(chat.user("What", " is <|im_", "end", "|> it?"), DataError);
  BOOST_TEST(chat.turns().empty());
  chat.user("What is it?").remove_last();
  chat.remove_last();
  BOOST_TEST(chat.turns().empty());
  chat.user("What is it?").assistant("A dog.");
  BOOST_TEST(message_of([&] { chat.reply(); }) ==
             "vlm::DataError [chat-turn]\n"
             "  expected  a user's message to reply to\n"
             "  got       one of the assistant"
             "\n  try       turns in the order system, user, reply, user, reply");
  BOOST_TEST(message_of([&] { chat.system("A cat."); }) ==
             "vlm::DataError [chat-turn]\n"
             "  expected  a system message only as the first\n"
             "  got       2 before it"
             "\n  try       turns in the order system, user, reply, user, reply");
  BOOST_TEST(message_of([&] { const Chat other(net); }) ==
             "vlm::ConfigError [chat-folder]\n"
             "  expected  a model that was loaded from a folder\n"
             "  got       a model that was made\n"
             "  try       Chat(net, files) with ChatFiles of its own");
  BOOST_CHECK_THROW(chat.user(image("nowhere.png")), FileError);
  BOOST_TEST(chat.turns().size() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
