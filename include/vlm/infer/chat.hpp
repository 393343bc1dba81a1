// Chat<Net>: a conversation with a model. Messages hold text, images and videos; replies come in pieces:
//
//   vlm::Chat chat(net);
//   chat.user(vlm::image("receipt.png"), "What is the total?");
//   for (std::string_view piece : chat.reply({.max_tokens = 128, .temperature = 0.2f})) std::cout << piece;
//
// What was computed for earlier turns is kept, and shared with the chats that have the same cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/infer/answer.hpp>
#include <vlm/infer/chat_files.hpp>
#include <vlm/infer/reply_run.hpp>
#include <vlm/infer/reply_settings.hpp>
#include <vlm/infer/session.hpp>

namespace vlm {

// What a reply will take, known before it begins.
struct ReplyCost {
  Index prompt_tokens = 0, visual_tokens = 0;
  Index reused_tokens = 0;      // of the prompt, that need not pass again
  Index cells = 0;              // of the prompt and the longest answer
  std::size_t cell_bytes = 0;   // their memory, in whole pages
  std::size_t activations = 0;  // bytes, at the peak of a pass
  std::size_t pictures = 0;     // bytes: patch rows, those that the tower takes at once, what it gives
  std::size_t weights = 0;      // bytes, as stored (mapped)

  // Beside these, shared pages and pictures stay in the session's cache, up to its settings, of pictures at least one.
  std::size_t total_bytes() const { return cell_bytes + activations + pictures + weights; }
};

// One thread at a time uses a chat; any number of chats, on any threads, share a model, files and a cache.
template <class Net>
class Chat {
 public:
  // With the files of the folder that the model was loaded from. The net must outlive the chat.
  explicit Chat(const Net& net, const SessionSettings& settings = {})
      : Chat(net, ChatFiles::load(folder_of(net), net.config()), settings) {}
  Chat(const Net& net, std::shared_ptr<const ChatFiles> files, const SessionSettings& settings = {})
      : files_(std::move(files)), session_(net, settings) {}
  // A net that is gone with the statement.
  explicit Chat(const Net&&, const SessionSettings& = {}) = delete;
  Chat(const Net&&, std::shared_ptr<const ChatFiles>, const SessionSettings& = {}) = delete;

  const ChatFiles& files() const { return *files_; }
  Session<Net>& session() { return session_; }
  std::span<const ChatTurn> turns() const { return turns_; }
  // Of the last reply.
  const Answer& last() const { return answer_; }

  // The instruction that opens a conversation. Throws DataError [chat-turn] for a later one.
  Chat& system(std::string_view text) {
    require(turns_.empty(), "a system message only as the first",
            std::to_string(turns_.size()) + " before it");
    return add("system", text);
  }
  // A message of texts, vlm::image(...) and vlm::video(...), and vectors of these, in any order; files are read here. Errors leave the chat as
  // it was.
  template <class... Parts>
  Chat& user(Parts&&... parts) {
    static_assert(sizeof...(Parts) > 0, "vlm: a message has at least one text, image or video.");
    return add("user", std::forward<Parts>(parts)...);
  }
  // An answer as if the model had given it.
  Chat& assistant(std::string_view text) { return add("assistant", text); }
  // Takes the last message back, or nothing where there is none. A reply that goes with it still counts for the random
  // numbers of those that follow.
  void remove_last() {
    if (!turns_.empty()) turns_.pop_back();
  }
  // Forgets the conversation; the cache stays.
  void clear() {
    turns_.clear();
    answer_ = {};
    replies_ = 0;
  }

  // A reply under way: a range of pieces, each an implicit string_view that holds until the next. It works while it is
  // walked, and what came when that ends is the answer that the conversation goes on with.
  class Reply {
   public:
    class Iterator {
     public:
      using value_type = ReplyPiece;
      using difference_type = std::ptrdiff_t;
      explicit Iterator(Reply* reply) : reply_(reply) {}
      ReplyPiece operator*() const { return reply_->run_.piece(); }
      Iterator& operator++() {
        reply_->advance();
        return *this;
      }
      void operator++(int) { reply_->advance(); }
      friend bool operator==(const Iterator& at, std::default_sentinel_t) { return !at.has_piece(); }

     private:
      bool has_piece() const { return reply_->has_piece_; }
      Reply* reply_;
    };

    Reply(Chat& chat, const ReplySettings& settings)
        : chat_(chat),
          settings_(settings),
          prompt_(chat.prompt()),
          defaults_(chat.defaults()),
          run_(chat.session_, chat.files(), settings_, defaults_, chat.replies_, chat.answer_) {}
    Reply(const Reply&) = delete;
    Reply& operator=(const Reply&) = delete;
    ~Reply() {
      if (!started_) return;
      try {
        run_.finish(StopReason::Cancelled);
        chat_.take_answer();
      } catch (...) {  // out of memory: the answer is not kept
        chat_.answer_ = {};
      }
    }

    Iterator begin() {
      if (!started_) {
        chat_.answer_ = {};
        run_.start(prompt_);
        started_ = true;  // what failed before is no answer
        advance();
      }
      return Iterator(this);
    }
    std::default_sentinel_t end() const { return {}; }

   private:
    void advance() { has_piece_ = run_.next(); }

    Chat& chat_;
    const ReplySettings settings_;
    const Prompt prompt_;
    const ReplyDefaults defaults_;
    ReplyRun<Net> run_;
    bool started_ = false, has_piece_ = false;
  };

  // Throws DataError [chat-turn] where the last message is not the user's, ConfigError for settings that mean nothing.
  Reply reply(const ReplySettings& settings = {}) { return Reply(*this, settings); }
  // The whole reply at once.
  const Answer& answer(const ReplySettings& settings = {}) {
    {
      Reply whole(*this, settings);
      for (auto piece = whole.begin(); piece != whole.end(); ++piece) {
      }
    }
    return answer_;
  }

  // Of the reply to the last message, with these settings. Throws as reply does.
  ReplyCost cost(const ReplySettings& settings = {}) {
    const Prompt prompt = this->prompt();
    const ReplyDefaults defaults = this->defaults();
    Answer unused;
    const ReplyRun<Net> run(session_, *files_, settings, defaults, 0, unused);
    const PromptLayout layout = lay_out(prompt, session_.net().config());
    ReplyCost cost{.prompt_tokens = static_cast<Index>(prompt.tokens.size()),
                   .reused_tokens = session_.reusable(layout),
                   .weights = session_.net().weight_bytes()};
    for (const std::int32_t picture : layout.pictures) cost.visual_tokens += picture >= 0;
    cost.cells = cost.prompt_tokens + run.growth();
    cost.cell_bytes = session_.cell_bytes(cost.cells);
    cost.activations = session_.activation_bytes(prompt, cost.prompt_tokens - cost.reused_tokens);
    cost.pictures = session_.prompt_picture_bytes(prompt);
    return cost;
  }

 private:
  static const std::string& folder_of(const Net& net) {
    if (!net.config().folder.empty()) return net.config().folder;
    throw ConfigError("chat-folder", {{"expected", "a model that was loaded from a folder"},
                                      {"got", "a model that was made"},
                                      {"try", "Chat(net, files) with ChatFiles of its own"}});
  }
  static void require(bool holds, std::string expected, std::string got) {
    if (!holds)
      throw DataError("chat-turn", {{"expected", std::move(expected)},
                                    {"got", std::move(got)},
                                    {"try", "turns in the order system, user, reply, user, reply"}});
  }

  template <class... Parts>
  Chat& add(std::string role, Parts&&... parts) {
    ChatTurn turn{.message = {std::move(role), {}}};
    (files_->append(turn, std::forward<Parts>(parts)), ...);
    turns_.push_back(std::move(turn));
    return *this;
  }

  Prompt prompt() const {
    require(!turns_.empty() && turns_.back().message.role == "user", "a user's message to reply to",
            turns_.empty() ? "no message" : "one of the " + turns_.back().message.role);
    return files_->prompt(turns_);
  }
  ReplyDefaults defaults() const {
    bool pictures = false;
    for (const ChatTurn& turn : turns_) pictures = pictures || !turn.images.empty() || !turn.videos.empty();
    return files_->defaults(pictures);
  }

  // The last answer becomes a message. Its tokens are kept where they are those of its text.
  void take_answer() {
    ChatTurn turn{.message = {"assistant", {ContentItem::from_text(answer_.text)}}};
    if (files_->thinking()) turn.message.reasoning = answer_.thoughts;
    const auto hidden = [this](std::int32_t token) { return files_->tokenizer().is_special(token); };
    if (answer_.stop != StopReason::StopString && !files_->thinking() &&
        std::none_of(answer_.tokens.begin(), answer_.tokens.end(), hidden))
      turn.tokens = answer_.tokens;
    turns_.push_back(std::move(turn));
    ++replies_;
  }

  std::shared_ptr<const ChatFiles> files_;
  Session<Net> session_;
  std::vector<ChatTurn> turns_;
  Answer answer_;
  std::uint64_t replies_ = 0;
};

}  // namespace vlm
