package io.lethe.tracking;

import io.lethe.events.RequestCommand;
import io.lethe.state.Answer;
import io.lethe.state.CommandAnswer;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.state.RequestState;
import java.util.ArrayList;
import java.util.List;

/**
 * What became of the commands on a request. Intake's word that it asked the models and the models'
 * answers come on two topics, in any order: the answer stands once as many have answered as were
 * asked. Commands on requests that have ended are answered all the same.
 */
final class Commands {
  private static final int KEPT = 32;

  private Commands() {}

  /** The commands with what the event says about one of them. */
  static List<CommandAnswer> with(RequestState state, RequestEvent event, boolean ended) {
    List<CommandAnswer> commands = new ArrayList<>(state.getCommands());
    int index = indexOf(commands, event.getCommandNumber());
    CommandAnswer before = index < 0 ? asked(event) : commands.get(index);
    CommandAnswer after = answered(before, event, ended);
    if (index < 0) {
      commands.add(after);
    } else {
      commands.set(index, after);
    }
    return commands.size() > KEPT
        ? List.copyOf(commands.subList(commands.size() - KEPT, commands.size()))
        : commands;
  }

  /**
   * Whether with this event the last of the models that were asked for a hold has refused it, as
   * all others had: what intake holds back for its sake it must not hold back any longer.
   */
  static boolean refusesHold(RequestState before, RequestState after, RequestEvent event) {
    boolean byIntake = event.getKind() == RequestEventKind.REFUSED && event.getModelId().isEmpty();
    return event.getCommand().filter(command -> command == RequestCommand.HOLD).isPresent()
        && !byIntake
        && !isRefused(before, event.getCommandNumber())
        && isRefused(after, event.getCommandNumber());
  }

  private static boolean isRefused(RequestState state, int number) {
    int index = indexOf(state.getCommands(), number);
    return index >= 0 && state.getCommands().get(index).getAnswer() == Answer.REFUSED;
  }

  private static int indexOf(List<CommandAnswer> commands, int number) {
    for (int i = 0; i < commands.size(); i++) {
      if (commands.get(i).getNumber() == number) {
        return i;
      }
    }
    return -1;
  }

  private static CommandAnswer asked(RequestEvent event) {
    return CommandAnswer.newBuilder()
        .setNumber(event.getCommandNumber())
        .setCommand(event.getCommand().orElseThrow())
        .setAnswer(Answer.ASKED)
        .setAt(event.getAt())
        .build();
  }

  private static CommandAnswer answered(CommandAnswer before, RequestEvent event, boolean ended) {
    CommandAnswer.Builder after = CommandAnswer.newBuilder(before).setAt(event.getAt());
    boolean refused =
        event.getKind() == RequestEventKind.REFUSED
            || (ended && event.getKind() == RequestEventKind.EXTENDED);
    if (event.getKind() == RequestEventKind.COMMANDED) {
      after.setExpected(event.getModels().size());
    } else {
      after.setGranted(before.getGranted() + (refused ? 0 : 1));
      after.setRefused(before.getRefused() + (refused ? 1 : 0));
      if (event.getModelId().isEmpty()) {
        after.setExpected(1); // intake answered for the whole request
      }
    }
    String reason = ended && refused ? "ended" : event.getReason().orElse(null);
    // Why it was refused says more than why it was asked for.
    if (refused || before.getReason().isEmpty()) {
      after.setReason(reason);
    }
    return after
        .setAnswer(answer(after.getExpected(), after.getGranted(), after.getRefused()))
        .build();
  }

  private static Answer answer(int expected, int granted, int refused) {
    if (expected < 0 || granted + refused < expected) {
      return Answer.ASKED;
    }
    if (refused == 0) {
      return Answer.GRANTED;
    }
    return granted == 0 ? Answer.REFUSED : Answer.PARTLY;
  }
}
