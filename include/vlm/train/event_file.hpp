// Metrics as TensorBoard reads them: an event file in the folder of a run, a scalar of each kind for every step.
#pragma once

#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include <vlm/core/shape.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/io/crc32c.hpp>
#include <vlm/io/file.hpp>
#include <vlm/train/progress.hpp>

namespace vlm {

namespace detail {

// A protocol buffer message as it grows: fields in any order, numbers little-endian.
class ProtocolMessage {
 public:
  const std::string& bytes() const { return bytes_; }

  void add_integer(unsigned field, std::uint64_t value) {
    add_key(field, 0);
    add_varint(value);
  }
  void add_double(unsigned field, double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    add_key(field, 1);
    add_fixed(bits, 8);
  }
  void add_float(unsigned field, float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    add_key(field, 5);
    add_fixed(bits, 4);
  }
  void add_bytes(unsigned field, std::string_view value) {
    add_key(field, 2);
    add_varint(value.size());
    bytes_ += value;
  }

 private:
  void add_key(unsigned field, unsigned kind) { add_varint(field << 3 | kind); }
  void add_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  void add_fixed(std::uint64_t bits, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(bits >> (8 * i));
  }

  std::string bytes_;
};

// A record of a TFRecord file: length, its checksum, data, their checksum. Checksums are CRC-32C, rotated and shifted
// so that one of data with checksums in it is sound.
inline std::string event_record(std::string_view data) {
  std::string record;
  const auto add = [&](std::uint64_t bits, int count) {
    for (int i = 0; i < count; ++i) record += static_cast<char>(bits >> (8 * i));
  };
  const auto masked = [](std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes_of(bytes));
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
  };
  add(data.size(), 8);
  add(masked(record), 4);
  record += data;
  add(masked(data), 4);
  return record;
}

inline double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace detail

// Appends to FOLDER/events.out.tfevents.TIME.HOST.PROCESS. A resumed run begins a file of its own, which says from
// which step on it replaces what earlier files hold.
class EventFile {
 public:
  // `resumed_step`: the last step of the checkpoint that the run goes on from, or 0. Throws FileError [file-write].
  EventFile(const std::string& folder, Index resumed_step, double now = detail::seconds_since_1970()) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
    char time[32];
    std::snprintf(time, sizeof time, "%010.0f", std::floor(now));
    path_ = folder + "/events.out.tfevents." + time + "." + host.data() + "." + std::to_string(::getpid());
    file_ = std::fopen(path_.c_str(), "ae");
    if (!file_) detail::throw_file_error("file-write", path_, "a place that can be written");
    detail::ProtocolMessage version;
    version.add_double(wall_time, now);
    version.add_bytes(file_version, "brain.Event:2");
    write(version);
    if (resumed_step == 0) return;
    detail::ProtocolMessage start, begin;
    start.add_integer(session_status, session_start);
    begin.add_double(wall_time, now);
    begin.add_integer(step, static_cast<std::uint64_t>(resumed_step + 1));
    begin.add_bytes(session_log, start.bytes());
    write(begin);
  }
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;
  ~EventFile() { std::fclose(file_); }

  const std::string& path() const { return path_; }

  // Throws FileError [file-write] where the disk is full.
  void add(const Report& report, double now = detail::seconds_since_1970()) {
    detail::ProtocolMessage scalars, event;
    const auto add_scalar = [&](std::string_view name, double number) {
      detail::ProtocolMessage scalar;
      scalar.add_bytes(tag, name);
      scalar.add_float(simple_value, static_cast<float>(number));
      scalars.add_bytes(value, scalar.bytes());
    };
    const double seconds = report.seconds > 0 ? report.seconds : 1;
    add_scalar("loss", report.loss);
    add_scalar("gradient_norm", report.gradient_norm);
    add_scalar("learning_rate", report.learning_rate);
    if (report.balance != 0) add_scalar("balance", report.balance);
    add_scalar("tokens_per_second", static_cast<double>(report.tokens) / seconds);
    add_scalar("flop_per_second", report.flop / seconds);
    add_scalar("skipped_steps", static_cast<double>(report.skipped_steps));
    if (report.validation) add_scalar("validation", *report.validation);
    event.add_double(wall_time, now);
    event.add_integer(step, static_cast<std::uint64_t>(report.step));
    event.add_bytes(summary, scalars.bytes());
    write(event);
  }

 private:
  // Field numbers of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
  static constexpr unsigned wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
  static constexpr unsigned value = 1, tag = 1, simple_value = 2;
  static constexpr unsigned session_status = 1, session_start = 1;

  void write(const detail::ProtocolMessage& event) {
    const std::string record = detail::event_record(event.bytes());
    if (std::fwrite(record.data(), 1, record.size(), file_) != record.size() || std::fflush(file_) != 0)
      detail::throw_file_error("file-write", path_, "room for the events");
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace vlm
